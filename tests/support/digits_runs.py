"""Real runs on a few digits, two that succeeded and one that failed, in a store of their own."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console

from utp.cluster.run_import import import_run
from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.data.sample_digits import write_digits
from utp.core.journal import attempt_numbers
from utp.entrypoints.local_run import start_run
from utp.entrypoints.run_display import ConsoleDisplay
from utp.errors import LossNotFinite
from utp.settings import Settings
from utp.store.database import Database
from utp.store.engines import SQLITE_FILE, database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.upgrade import upgrade

NUM_CLASSES = 5
IMAGES_PER_CLASS = 8
"""Of each split."""

CONFIG = TrainConfig(
    root="digits",
    model_flavour="builtin/resnet-micro",
    load_pretrained=False,
    num_workers=0,
    epochs=2,
    lr=3e-3,
    batch_size=20,
    log_interval_steps=1,
    device="cpu",
    autocast_dtype="float32",
    num_threads=1,
)


@dataclass(frozen=True)
class DigitsRuns:
    """What was made."""

    mounts: Path
    """Holds `datasets`, `shared` and `cache`."""
    store: Path
    """SQLite file that knows the runs."""
    finished: str
    """Id of the run that succeeded."""
    twin: str
    """Id of one that differs in its seed."""
    failed: str
    """Id of the run whose loss was not finite."""
    project: str
    """Id of their project."""
    finished_paths: RunPaths
    """Where the run lies that succeeded."""


def make_settings(mounts: Path, home: Path) -> Settings:
    """Return settings on the mounts, with a store in `home`."""
    folders = {"DATASETS_DIR": "datasets", "SHARED_LOGS_DIR": "shared", "UTP_CACHE_DIR": "cache"}
    places = {name: mounts / folder for name, folder in folders.items()}
    return Settings.model_validate({**places, "UTP_HOME": home})


def make_digits_runs(folder: Path) -> DigitsRuns:
    """Train the runs and record them; takes some seconds."""
    settings = make_settings(folder, folder / "home")
    for place in ("datasets", "shared", "home"):
        (folder / place).mkdir()
    write_digits(folder / "datasets" / "digits")
    _keep_few(folder / "datasets" / "digits")
    num_threads = torch.get_num_threads()
    finished = _train(CONFIG, settings)
    twin = _train(replace(CONFIG, seed=1, model_suffix="twin"), settings)
    failed = _train(replace(CONFIG, optimizer="sgd", lr=1e30, model_suffix="broken"), settings)
    torch.set_num_threads(num_threads)
    database = Database(open_engine(database_url(settings)))
    upgrade(database)
    recorder = Recorder(database)
    project = recorder.set_project("digits")
    ids = [import_run(paths, recorder, settings, project="digits", owner="ann") for paths in (finished, twin, failed)]
    database.close()
    return DigitsRuns(folder, settings.home / SQLITE_FILE, *ids, project, finished)


def _keep_few(root: Path) -> None:
    for folder in root.glob("*/*"):
        kept = IMAGES_PER_CLASS if int(folder.name) < NUM_CLASSES else 0
        for image in sorted(folder.iterdir())[kept:]:
            image.unlink()
        if not kept:
            folder.rmdir()


def _train(config: TrainConfig, settings: Settings) -> RunPaths:
    before = set(settings.shared_logs_dir.glob("runs/*/*")) if settings.shared_logs_dir else set()
    with Path(os.devnull).open("w") as nowhere, ConsoleDisplay(Console(file=nowhere), Console(file=nowhere)) as display:
        try:
            return start_run(config, settings, display).paths
        except LossNotFinite:
            assert settings.shared_logs_dir is not None
            (run_dir,) = set(settings.shared_logs_dir.glob("runs/*/*")) - before
            paths = RunPaths(run_dir, settings.shared_logs_dir / "checkpoints" / run_dir.parent.name / run_dir.name)
            assert attempt_numbers(paths) == [1]
            return paths
