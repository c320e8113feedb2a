"""Fixtures of the models' tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.core.models.families import FAMILIES

from utp.core.models.source import ModelSource, resolve_source
from utp.settings import Settings


@pytest.fixture
def architecture(tmp_path: Path) -> Callable[..., ModelSource]:
    """Return a function that saves the small config of a family, without weights, and gives it as a source."""

    def save(family: str, **changes: object) -> ModelSource:
        config = FAMILIES[family]()
        for name, value in changes.items():
            setattr(config, name, value)
        config.save_pretrained(tmp_path / family)
        return resolve_source(str(tmp_path / family), None, Settings(MODELS_DIR=None))

    return save
