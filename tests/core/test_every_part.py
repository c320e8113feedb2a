"""Every entry of every registry trains two real steps on image files; one that is added later is covered at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.noise_images import CONFIG, train_images, write_noise

from utp.config.train import TrainConfig
from utp.core.catalog import REGISTRIES, check_config
from utp.core.metrics.entries import TOPK, best_mode

TWO_STEPS = replace(CONFIG, batch_size=4, epochs=1, warmup_ratio=0, lr=1e-3)
PARTS = [(kind, name) for kind, registry in REGISTRIES.items() for name in registry.names()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 train pictures: two batches of 4."""
    folder = tmp_path_factory.mktemp("parts")
    write_noise(folder / "data", {"a": 4, "b": 4}, {"a": 2, "b": 2})
    return folder


def with_part(kind: str, name: str) -> TrainConfig:
    """The config of two steps in which this part has its say; a metric has it by choosing the best weights."""
    if kind == "metric":
        metric_id = f"val_{'acc@1' if name == TOPK else name}"
        return replace(TWO_STEPS, monitor_metric=metric_id, monitor_mode=best_mode(metric_id))
    if kind == "model":
        return replace(TWO_STEPS, model_flavour=f"builtin/{name}")
    return replace(TWO_STEPS, **{kind: name})


@pytest.mark.parametrize(("kind", "name"), PARTS, ids=lambda part: part)
def test_every_part_trains_two_steps(folder: Path, kind: str, name: str) -> None:
    config = with_part(kind, name)
    check_config(config)
    reporter, weights = train_images(folder, config, f"{kind}-{name}")
    steps = [row for row in reporter.rows if row["kind"] == "train"]
    assert [row["step"] for row in steps] == [1, 2]
    assert all(row["train_loss"] > 0 for row in steps)
    assert reporter.rows[-1][config.monitor_metric] is not None
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_every_registry_has_parts() -> None:
    assert {kind for kind, _ in PARTS} == set(REGISTRIES)
