"""`compile` on images: trains, averages and accumulates like the plain model, resumes bit for bit, refused in time.

What the compiler makes of a model is in `tests/core/test_compilation.py`, on one that takes seconds to compile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.support.noise_images import CONFIG, run_images, train_images, write_noise
from tests.support.recording_reporter import RecordingReporter, without_timings
from torch._dynamo.utils import counters

from utp.errors import ConfigError

COMPILED = replace(CONFIG, batch_size=4, compile=True)


@pytest.fixture(autouse=True)
def _forgets_what_was_compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # so that the variable is put back
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    yield
    torch.compiler.reset()
    counters.clear()


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Capture graphs as for the compiler, and run them without one: what each batch size costs is a second, not ten."""
    torch.compiler.set_default_backend("eager")
    yield
    torch.compiler.set_default_backend(None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_noise(tmp_path / "data", {"a": 5, "b": 5}, {"a": 2, "b": 2})
    return tmp_path


@pytest.mark.usefixtures("captured")
def test_captured_run_trains_what_the_plain_one_does_and_resumes_bit_for_bit(folder: Path) -> None:
    config = replace(COMPILED, ema_decay=0.9, grad_accum_steps=2)  # batches of 4, 4 and 2: steps of 8 and 2
    undisturbed, weights = train_images(folder, config, "a")
    num_graphs = counters["stats"]["unique_graphs"]
    before, _ = train_images(folder, config, "b", stop_after_step=1)
    after, others = train_images(folder, config, "b")
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert without_timings(before.rows + after.rows) == without_timings(undisturbed.rows)
    assert num_graphs == 1 + 2 + 1, "the trial, two batch sizes of training, and one of the average's evaluation"

    plain, plain_weights = train_images(folder, replace(config, compile=False), "plain")
    torch.testing.assert_close(weights, plain_weights, rtol=1e-3, atol=1e-4)
    assert val_losses(undisturbed) == pytest.approx(val_losses(plain), rel=1e-4)


def val_losses(reporter: RecordingReporter) -> list[float]:
    return [row["val_loss"] for row in reporter.rows if row["kind"] == "epoch"]


@pytest.mark.usefixtures("captured")
def test_run_may_be_resumed_with_and_without(folder: Path) -> None:
    _, plain = train_images(folder, replace(COMPILED, compile=False, epochs=1), "plain")
    for first in (True, False):
        run = f"compiled first: {first}"
        train_images(folder, replace(COMPILED, compile=first, epochs=1), run, stop_after_step=1)
        resumed, weights = train_images(folder, replace(COMPILED, compile=not first, epochs=1), run)
        assert resumed.plan is not None
        assert resumed.plan.start_step == 1
        torch.testing.assert_close(weights, plain, rtol=1e-3, atol=1e-4)


def test_missing_compiler_is_a_sentence_before_anything_is_written(folder: Path) -> None:
    from torch._inductor import config as inductor  # noqa: PLC0415  takes seconds

    refusal = r"compile: True needs a C\+\+ compiler .* set compile to false"
    with inductor.patch({"cpp.cxx": ("no-such-compiler",)}), pytest.raises(ConfigError, match=refusal):
        run_images(folder, COMPILED, "none")
    assert list((folder / "none").rglob("*.*")) == []
