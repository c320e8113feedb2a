"""An attempt in the job's own process, with Ray Train's local mode and a head that is a plain object."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tests.support.fake_head import FakeHead
from tests.support.noise_images import CONFIG, train_images, write_noise

from utp.cluster.job_spec import JobSpec
from utp.cluster.trainer import train_here
from utp.config.paths import RunPaths
from utp.config.request import RunRequest
from utp.core.checkpoint import CheckpointStore
from utp.core.journal import AttemptJournal, read_json, read_rows
from utp.settings import get_settings


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobSpec:
    write_noise(tmp_path / "data", {"a": 6, "b": 6}, {"a": 4, "b": 4})
    for name in ("DATASETS_DIR", "SHARED_LOGS_DIR", "UTP_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    get_settings.cache_clear()
    monkeypatch.setattr("utp.cluster.head_line.BEAT_INTERVAL_S", 0.01)
    paths = RunPaths(tmp_path / "runs" / "data" / "r", tmp_path / "checkpoints" / "data" / "r")
    return JobSpec(CONFIG, RunRequest(), paths, 1, "id").prepared()


def test_job_trains_to_the_bits_of_a_run_without_a_cluster(tmp_path: Path, spec: JobSpec) -> None:
    head = FakeHead()
    result = train_here(spec, lambda: False, lambda: head)
    _, weights = train_images(tmp_path, CONFIG, "plain")
    newest = CheckpointStore(spec.paths.checkpoint_dir, 9).committed()[-1]
    trained = load_file(newest.directory / "model.safetensors")
    assert all((trained[name] == weights[name]).all() for name in weights)
    assert result["outcome"] == "succeeded"
    # What the head was told, and what it holds of the files.
    assert head.calls[-1][0] == "ended"
    assert head.calls[-1][-1]["outcome"] == "succeeded"
    assert any(call[0] == "started" and call[-1]["epochs"] == CONFIG.epochs for call in head.calls)
    assert head.files["metrics.jsonl"] == spec.paths.attempt(1).metrics.read_bytes()


@pytest.mark.parametrize(("wish", "outcome"), [("stop", "stopped"), ("pause", "paused"), ("preempt", "preempted")])
def test_wish_ends_the_attempt_saved_and_the_next_one_goes_on(spec: JobSpec, wish: str, outcome: str) -> None:
    head = FakeHead()
    head.wish = wish
    long = replace(spec, config=replace(spec.config, epochs=500))
    assert train_here(long, lambda: False, lambda: head)["outcome"] == outcome
    head.wish = "none"
    step = read_json(spec.paths.result)["step"]
    short = replace(spec, attempt=2, config=replace(spec.config, epochs=step // 3 + 1))
    assert train_here(short, lambda: False, lambda: head)["outcome"] == "succeeded"
    epochs = [row["epoch"] for row in read_rows(spec.paths.metrics) if row["kind"] == "epoch"]
    assert epochs == list(range(1, step // 3 + 2))


def test_failure_says_kind_rank_and_traceback(spec: JobSpec) -> None:
    broken = replace(spec, config=replace(spec.config, root="nowhere"))
    result = train_here(broken, lambda: False, lambda: None)
    assert (result["outcome"], result["kind"], result["rank"]) == ("failed", "data_error", 0)
    assert "DatasetError" in result["traceback"]
    assert json.loads(spec.paths.attempt(1).result.read_text()) == result
    assert "DatasetError" in spec.paths.attempt(1).log(rank=0).read_text()


def test_attempt_that_was_superseded_commits_nothing_and_is_lost(spec: JobSpec) -> None:
    head = FakeHead()
    head.wish = None
    result = train_here(replace(spec, config=replace(spec.config, epochs=500)), lambda: False, lambda: head)
    assert (result["outcome"], result["kind"]) == ("failed", "lost")
    assert CheckpointStore(spec.paths.checkpoint_dir, 9).committed() == []


def test_attempt_that_runs_already_is_left_alone(spec: JobSpec) -> None:
    with AttemptJournal(spec.paths, 1):
        result = train_here(spec, lambda: False, lambda: None)
    assert "attempt 1 was started already" in result["message"]
    assert not spec.paths.attempt(1).result.exists()


def test_failure_of_one_worker_of_several_is_told_by_the_driver_alone(
    spec: JobSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_fellow(*arguments: object) -> None:
        raise RuntimeError("[third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by peer")

    def refuse(*arguments: object) -> None:
        raise AssertionError("rank 0 can't know whose failure came first")

    monkeypatch.setattr("utp.core.attempt.fit", lose_fellow)
    for module in ("utp.core.attempt", "utp.cluster.worker"):
        monkeypatch.setattr(f"{module}.world_size", lambda: 2)
    monkeypatch.setattr(AttemptJournal, "write_result", refuse)
    head = FakeHead()
    result = train_here(spec, lambda: False, lambda: head)
    assert (result["outcome"], result["kind"], result["rank"]) == ("failed", "lost", 0)
    assert read_json(spec.paths.attempt(1).result) == result
    assert "ended" not in {call[0] for call in head.calls}
