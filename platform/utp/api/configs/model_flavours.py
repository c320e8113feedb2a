"""What `model_flavour` can name without the network: the builtin architectures, and the models below `MODELS_DIR`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from utp.api.configs.schemas import ModelFlavour
from utp.core.catalog import REGISTRIES
from utp.settings import Settings

MAX_FOLDERS = 500
"""Of models that are listed; a form offers no more."""
PATTERNS = ("*/config.json", "*/*/config.json")
"""`NAME`, or `ORGANISATION/NAME` as on the Hub."""


def list_model_flavours(settings: Settings) -> list[ModelFlavour]:
    """Return them by name, the builtin ones first."""
    presets = REGISTRIES["model"]
    listed = [ModelFlavour(name=f"builtin/{name}", doc=presets.get(name).doc) for name in presets.names()]
    if settings.models_dir is None:
        return listed
    names = sorted(islice(_folders(settings.models_dir), MAX_FOLDERS))
    return [*listed, *(ModelFlavour(name=name, doc="A model below MODELS_DIR.") for name in names)]


def _folders(root: Path) -> Iterator[str]:
    for pattern in PATTERNS:
        for file in root.glob(pattern):
            yield str(file.parent.relative_to(root))
