"""Which of several workers' failures is the cause."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, OutOfMemoryError, RayActorError
from ray.train import WorkerGroupError
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

from utp.cluster import trainer
from utp.cluster.job_failures import describe_job_failure
from utp.cluster.job_spec import JobSpec
from utp.config.paths import RunPaths
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.errors import FailureKind


@pytest.fixture
def spec(tmp_path: Path) -> JobSpec:
    paths = RunPaths(tmp_path / "runs", tmp_path / "checkpoints")
    paths.attempt(1).directory.mkdir(parents=True)
    return JobSpec(TrainConfig(root="x", model_flavour="y"), RunRequest(num_workers=2), paths, 1, "id")


def record(spec: JobSpec, rank: int, kind: str, failed_at: str) -> dict[str, Any]:
    content = {
        "outcome": "failed",
        "kind": kind,
        "message": f"of rank {rank}",
        "rank": rank,
        "traceback": "Traceback",
        "failed_at": failed_at,
    }
    (spec.attempt_dir / f"rank{rank}.failure.json").write_text(json.dumps(content))
    return content


def test_first_failure_is_the_cause(spec: JobSpec) -> None:
    record(spec, 0, "internal", "2026-01-01T00:00:02.000+00:00")
    record(spec, 1, "internal", "2026-01-01T00:00:01.000+00:00")
    assert describe_job_failure(spec, None)["message"] == "of rank 1"


def test_failure_of_a_known_kind_comes_before_the_collective_that_fell_over_it(spec: JobSpec) -> None:
    record(spec, 0, "internal", "2026-01-01T00:00:01.000+00:00")
    record(spec, 1, "data_error", "2026-01-01T00:00:01.001+00:00")
    cause = describe_job_failure(spec, None)
    assert (cause["rank"], cause["kind"]) == (1, "data_error")


def test_worker_that_only_lost_its_fellow_is_not_the_cause(spec: JobSpec) -> None:
    record(spec, 0, "lost", "2026-01-01T00:00:01.000+00:00")
    record(spec, 1, "internal", "2026-01-01T00:00:02.000+00:00")
    assert describe_job_failure(spec, None)["message"] == "of rank 1"


def test_worker_that_went_with_its_machine_is_named_by_those_who_lost_it(spec: JobSpec) -> None:
    record(spec, 1, "lost", "2026-01-01T00:00:01.000+00:00")
    cause = describe_job_failure(spec, WorkerGroupError("a worker failed", {1: RuntimeError("closed by peer")}))
    assert (cause["kind"], cause["rank"]) == ("lost", 0)
    assert cause["message"] == "rank 0 went away without a word, as with its machine; rank 1: of rank 1"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ActorDiedError(), "lost"),
        (OutOfMemoryError("memory"), "oom_host"),
        (WorkerHealthCheckFailedError("A worker health check failed", ActorDiedError()), "lost"),  # how Ray tells it
    ],
)
def test_worker_that_was_killed_left_no_word_and_is_the_cause(spec: JobSpec, error: Exception, kind: str) -> None:
    record(spec, 0, "internal", "2026-01-01T00:00:01.000+00:00")
    cause = describe_job_failure(spec, WorkerGroupError("a worker died", {1: error}))
    assert (cause["rank"], cause["kind"]) == (1, kind)


def test_worker_that_died_while_the_kernel_killed_for_memory_was_its_victim(spec: JobSpec) -> None:
    died = WorkerGroupError("a worker died", {1: ActorDiedError()})
    assert describe_job_failure(spec, died, is_oom=True)["kind"] == "oom_host"


def test_rays_guess_at_the_oom_killer_is_no_finding(spec: JobSpec) -> None:
    words = "(1) The process is killed by SIGKILL by OOM killer due to high memory usage. (2) ..."
    guess = ActorUnavailableError(words, None)
    assert describe_job_failure(spec, WorkerGroupError("a worker died", {1: guess}))["kind"] == "lost"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("The actor died because its node has died. Node Id: 0a", "node_lost"),
        ("its worker process has died. Consider resource isolation to prevent node deaths", "lost"),
    ],
)
def test_machine_is_lost_only_where_ray_says_that_it_died(spec: JobSpec, words: str, kind: str) -> None:
    died = WorkerGroupError("a worker died", {1: ActorUnavailableError(words, None)})
    assert describe_job_failure(spec, died)["kind"] == kind


def test_without_any_word_the_attempt_is_lost(spec: JobSpec) -> None:
    assert describe_job_failure(spec, None)["kind"] == "lost"


def test_death_of_trains_controller_is_told(spec: JobSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    class DyingTrainer:
        def __init__(self, *arguments: object, **options: object) -> None:
            pass

        def fit(self) -> None:
            raise RayActorError(error_msg="the controller died")

    monkeypatch.setattr(trainer, "TorchTrainer", DyingTrainer)
    monkeypatch.setattr(trainer, "join_ray", lambda: None)
    monkeypatch.setattr("ray.cluster_resources", dict)
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "")  # what is set there ends with the test
    result = trainer.train_in_workers(spec, lambda: False)
    assert result["kind"] == FailureKind.LOST
    assert "the controller died" in result["message"]
