"""A place with all mounts set, a dataset of digits in it, and a way to see what a command has left behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from utp.core.data.sample_digits import write_digits
from utp.settings import get_settings


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "digits"
    write_digits(folder)
    return folder


@pytest.fixture
def workplace(tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with `inside/`, which holds the mounts datasets, models and logs, and nothing else."""
    inside = tmp_path / "inside"
    shutil.copytree(digits, inside / "datasets" / "digits", copy_function=os.link)
    for name, folder in (("DATASETS_DIR", "datasets"), ("MODELS_DIR", "models"), ("SHARED_LOGS_DIR", "logs")):
        (inside / folder).mkdir(exist_ok=True)
        monkeypatch.setenv(name, str(inside / folder))
    monkeypatch.setenv("UTP_CACHE_DIR", str(inside / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(inside)
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


@pytest.fixture
def snapshot(workplace: Path) -> Callable[[], set[Path]]:
    """Return a function that gives every path there is, caches left out."""
    caches = (workplace / "inside" / "cache", workplace / "home")
    return lambda: {path for path in workplace.rglob("*") if not any(path.is_relative_to(cache) for cache in caches)}
