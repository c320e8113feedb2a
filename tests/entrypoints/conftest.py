"""One short finished run that the tests of the commands about finished runs share; none of them may change it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rich.console import Console

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.data.sample_digits import write_digits
from utp.entrypoints.local_run import start_run
from utp.entrypoints.run_display import ConsoleDisplay
from utp.settings import Settings, get_settings

CONFIG = TrainConfig(
    root="digits",
    model_flavour="builtin/resnet-micro",
    load_pretrained=False,
    max_datapoints_per_class=8,
    num_workers=0,
    epochs=2,
    lr=3e-3,
    batch_size=40,
    device="cpu",
    autocast_dtype="float32",
    num_threads=1,
    test_time_augmentation="hflip",
)


@pytest.fixture(scope="session")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    write_digits(folder / "datasets" / "digits")
    return folder


@pytest.fixture(scope="session")
def trained(mounts: Path) -> RunPaths:
    """The run as it was trained."""
    settings = Settings(DATASETS_DIR=mounts / "datasets", SHARED_LOGS_DIR=mounts, UTP_CACHE_DIR=mounts / "cache")
    num_threads = torch.get_num_threads()
    with Path(os.devnull).open("w") as nowhere, ConsoleDisplay(Console(file=nowhere), Console(file=nowhere)) as display:
        outcome = start_run(CONFIG, settings, display)
    torch.set_num_threads(num_threads)
    return outcome.paths


@pytest.fixture
def finished_run(trained: RunPaths, mounts: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunPaths]:
    """The run, with the environment that its commands need."""
    for name, folder in (("DATASETS_DIR", "datasets"), ("SHARED_LOGS_DIR", "."), ("UTP_CACHE_DIR", "cache")):
        monkeypatch.setenv(name, str(mounts / folder))
    get_settings.cache_clear()
    yield trained
    get_settings.cache_clear()
