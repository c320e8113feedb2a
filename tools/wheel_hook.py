"""What a wheel carries beside Python: the native code, compiled here, and the page, where `make ui` has built it.

A wheel with native code is for this kind of machine only.
"""

from __future__ import annotations

import importlib.util
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = Path("platform", "utp", "core", "native")
PAGE = Path("web_ui", "out")


class WheelExtras(BuildHookInterface[Any]):
    """What hatchling calls before it packs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the libraries and take the page along; a wheel without libraries stays one for every machine."""
        if version == "standard":  # an editable install finds the page where it is built
            if (Path(self.root) / PAGE / "index.html").is_file():
                build_data["force_include"][str(PAGE)] = "utp/ui"
            else:
                self.app.display_warning(f"{PAGE} is not there: the wheel carries no page; `make ui` builds it")
        native = load_build(Path(self.root) / NATIVE / "build.py")
        for name in native.LIBRARIES:
            if problem := native.build(name):
                self.app.display_warning(f"native: {problem}")
            else:
                build_data["pure_python"] = False
                build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def load_build(path: Path) -> ModuleType:
    """Import the file by its path: neither utp nor what it needs is installed where a wheel is built."""
    spec = importlib.util.spec_from_file_location("native_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
