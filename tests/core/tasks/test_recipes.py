"""Recipes on real image files: each trains, and a stopped and resumed run equals the undisturbed one bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.noise_images import CONFIG, train_images, write_noise
from tests.support.recording_reporter import without_timings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 train pictures: batches of 5, 5, 5 and an odd rest of 3."""
    folder = tmp_path_factory.mktemp("recipes")
    write_noise(folder / "data", {"a": 12, "b": 6}, {"a": 3, "b": 3})
    return folder


RECIPES: dict[str, dict[str, Any]] = {
    "randaugment": {"augmentation": "randaugment", "random_erasing": 0.5},
    "geometric": {"gpu_augmentation": "geometric", "mixup_alpha": 0.2},
    "balanced": {"sampler": "balanced", "num_workers": 0},
    "mixing": {"mixup_alpha": 0.8, "cutmix_alpha": 1.0, "mixup_off_epoch": 1},
    "mixing-accumulated": {"cutmix_alpha": 1.0, "mixup_prob": 0.5, "grad_accum_steps": 2},
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_stopped_and_resumed_run_equals_the_undisturbed_one(folder: Path, recipe: str) -> None:
    config = replace(CONFIG, **RECIPES[recipe])
    undisturbed, weights = train_images(folder, config, f"{recipe}-a")
    before, _ = train_images(folder, config, f"{recipe}-b", stop_after_step=1)
    after, others = train_images(folder, config, f"{recipe}-b")
    assert after.plan is not None
    assert after.plan.start_step == 1
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert without_timings(before.rows + after.rows) == without_timings(undisturbed.rows)


def test_mixing_changes_the_training_loss_alone(folder: Path) -> None:
    plain, _ = train_images(folder, replace(CONFIG, epochs=1, lr=1e-9), "plain")
    mixed, _ = train_images(folder, replace(CONFIG, epochs=1, lr=1e-9, mixup_alpha=1.0), "mixed")
    losses = [next(row for row in run.rows if row["kind"] == "epoch") for run in (plain, mixed)]
    assert losses[0]["train_loss"] != losses[1]["train_loss"]
    assert losses[0]["val_loss"] == pytest.approx(losses[1]["val_loss"], abs=0.02)
