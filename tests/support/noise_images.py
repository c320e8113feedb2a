"""A dataset of small noise pictures, a folder per class, and runs of the loop on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from tests.support.recording_reporter import RecordingReporter

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.loop import fit
from utp.core.tasks.image_classification import build
from utp.settings import Settings

CONFIG = TrainConfig(
    root="data",
    model_flavour="builtin/resnet-micro",
    load_pretrained=False,
    image_size=32,
    num_workers=0,
    batch_size=5,
    epochs=2,
    lr=0.01,
    autocast_dtype="float32",
    device="cpu",
    num_threads=1,
    log_interval_steps=1,
)


def write_noise(root: Path, train: Mapping[str, int], val: Mapping[str, int]) -> None:
    """Write so many PNGs of each class; every picture differs."""
    noise = np.random.default_rng(0)
    for split, counts in (("train", train), ("val", val)):
        for name, count in counts.items():
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = noise.integers(0, 256, (20, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number:02d}.png")


def train_images(
    folder: Path, config: TrainConfig, run: str, stop_after_step: int | None = None
) -> tuple[RecordingReporter, dict[str, torch.Tensor]]:
    """Train (or go on with) `run` on `folder/data`; return what was reported, and the newest checkpoint's weights."""
    reporter, checkpoint_dir = run_images(folder, config, run, stop_after_step)
    committed = CheckpointStore(checkpoint_dir, attempt=1).committed()
    return reporter, load_file(committed[-1].directory / "model.safetensors")


def run_images(
    folder: Path, config: TrainConfig, run: str, stop_after_step: int | None = None
) -> tuple[RecordingReporter, Path]:
    """Train (or go on with) `run` on `folder/data`; return what was reported, and where the checkpoints are."""
    settings = Settings(DATASETS_DIR=folder, SHARED_LOGS_DIR=folder, UTP_CACHE_DIR=folder / "cache")
    paths = RunPaths(folder / run / "runs", folder / run / "checkpoints")
    paths.checkpoint_dir.mkdir(parents=True, exist_ok=True)
    reporter, store = RecordingReporter(stop_after_step), CheckpointStore(paths.checkpoint_dir, attempt=1)
    task = build(config, settings)
    try:
        fit(config, task, reporter, Checkpointer(config, task.identity, paths, store, reporter.log_note))
    finally:
        task.close()
    return reporter, paths.checkpoint_dir
