from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoImageProcessor

from utp.core.models.build import build_classifier
from utp.core.models.entries import MODEL_PRESETS
from utp.core.models.head import head_parameters
from utp.core.models.source import resolve_source
from utp.settings import Settings

PLATFORM = Path(__file__).resolve().parents[3] / "platform"


@pytest.mark.parametrize("name", MODEL_PRESETS.names())
def test_traits_of_a_builtin_model_are_true(name: str) -> None:
    traits = MODEL_PRESETS.get(name).traits
    source = resolve_source(f"builtin/{name}", None, Settings())
    model = build_classifier(source, ("cat", "dog"), load_pretrained=False, freeze_backbone=False, seed=0)
    head = head_parameters(model)
    assert sum(p.numel() for n, p in model.named_parameters() if n not in head) == traits["num_parameters"]
    processor = AutoImageProcessor.from_pretrained(source.location)
    size = dict(getattr(processor, "crop_size", None) or processor.size)
    assert size == {"height": traits["image_size"], "width": traits["image_size"]}
    assert getattr(model.config, "image_size", traits["image_size"]) == traits["image_size"]


@pytest.mark.parametrize("name", MODEL_PRESETS.names())
def test_builtin_model_is_an_architecture_without_weights(name: str) -> None:
    source = resolve_source(f"builtin/{name}", None, Settings())
    assert sorted(path.name for path in Path(source.location).iterdir()) == ["config.json", "preprocessor_config.json"]
    config = json.loads((Path(source.location) / "config.json").read_text())
    assert "id2label" not in config


@pytest.mark.process
def test_builtin_models_are_listed_and_resolved_without_torch() -> None:
    code = (
        "import sys\n"
        "from utp.core.models.entries import MODEL_PRESETS\n"
        "from utp.core.models.source import resolve_source\n"
        "from utp.settings import Settings\n"
        "for name in MODEL_PRESETS.names():\n"
        "    resolve_source(f'builtin/{name}', None, Settings())\n"
        "print(sorted({'torch', 'torchvision', 'transformers', 'numpy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PLATFORM, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
