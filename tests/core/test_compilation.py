"""Kernels of a compiled model: the same training, the same bits after a resume, found again in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.support.pixel_task import PixelTask
from tests.support.recording_reporter import RecordingReporter, without_timings
from torch import nn
from torch._dynamo.utils import counters

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.compilation import compile_in_place, is_compiled, prepare_compiler
from utp.core.ema import Ema
from utp.core.loop import fit

CONFIG = TrainConfig(
    root="-", model_flavour="-", epochs=1, autocast_dtype="float32", device="cpu", num_threads=1, log_interval_steps=1
)


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of the test's own, and nothing that another test compiled."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    counters.clear()
    yield tmp_path / "compiled"
    torch.compiler.reset()


@dataclass
class CompiledTask(PixelTask):
    """Dropout is on: what a kernel draws has to be a function of the step, too."""

    num_train: int = 64
    is_compiled: bool = True

    def build_model(self) -> nn.Module:
        model = super().build_model()
        if self.is_compiled:
            compile_in_place(model)
        return model


def train(
    folder: Path, *, compiled: bool = True, stop_after_step: int | None = None
) -> tuple[RecordingReporter, dict[str, torch.Tensor]]:
    paths = RunPaths(folder / "runs", folder / "checkpoints")
    paths.checkpoint_dir.mkdir(parents=True, exist_ok=True)
    task, reporter = CompiledTask(is_compiled=compiled), RecordingReporter(stop_after_step)
    store = CheckpointStore(paths.checkpoint_dir, attempt=1)
    config = replace(CONFIG, compile=compiled)
    fit(config, task, reporter, Checkpointer(config, task.identity, paths, store, reporter.log_note))
    return reporter, load_file(store.committed()[-1].directory / "model.safetensors")


@pytest.mark.slow  # a compiler runs
def test_resumed_run_finds_its_kernels_in_the_cache_and_equals_the_undisturbed_one(
    tmp_path: Path, cache_dir: Path
) -> None:
    prepare_compiler(cache_dir, torch.device("cpu"))
    undisturbed, weights = train(tmp_path / "a")
    num_compiled = counters["inductor"]["fxgraph_cache_miss"]
    assert num_compiled == 4, "the trial, forward and backward of training, and the evaluation"
    assert any(cache_dir.rglob("*.so"))

    before, _ = train(tmp_path / "b", stop_after_step=1)
    torch.compiler.reset()  # what a new process begins with
    after, others = train(tmp_path / "b")
    assert counters["inductor"]["fxgraph_cache_miss"] == num_compiled
    assert counters["inductor"]["fxgraph_cache_hit"] > 0
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert without_timings(before.rows + after.rows) == without_timings(undisturbed.rows)

    plain, _ = train(tmp_path / "plain", compiled=False)
    losses, plain_losses = ([row["train_loss"] for row in run.rows if "lr" in row] for run in (undisturbed, plain))
    assert losses == pytest.approx(plain_losses, abs=0.1), "but for what dropout draws"


def test_names_of_the_weights_stay_and_a_copy_is_compiled_where_it_is_asked_for() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    names = [*model.state_dict()]
    compile_in_place(model)
    assert is_compiled(model)
    assert [*model.state_dict()] == names
    assert not is_compiled(deepcopy(model))
    assert is_compiled(Ema(model, 0.9).module)
