"""Finds the cause of a job's failure: of several workers the first that failed, since the others fall over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError
from ray.train import WorkerGroupError
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

from utp.cluster.job_spec import JobSpec
from utp.core.journal import read_json
from utp.errors import FailureKind


def describe_job_failure(spec: JobSpec, failure: BaseException | None, *, is_oom: bool = False) -> dict[str, Any]:
    """Return outcome, kind, message, rank and traceback of the first failure.

    Args:
        spec: of the attempt.
        failure: what Ray Train raised, if anything; a process that was killed left no word of its own.
        is_oom: whether the kernel has just killed for want of memory on this machine.
    """
    killed = _killed_worker(failure, is_oom=is_oom)
    if killed is not None:
        return killed
    recorded = [content for path in spec.attempt_dir.glob("rank*.failure.json") if (content := read_json(path))]
    if recorded:
        first = min(recorded, key=_order)
        cause = {name: first[name] for name in ("outcome", "kind", "message", "rank", "traceback")}
        return cause if first["kind"] != FailureKind.LOST else _name_silent(spec, cause, recorded)
    message = f"{type(failure).__name__}: {failure}" if failure else "the worker ended without a word"
    return {"outcome": "failed", "kind": str(FailureKind.LOST), "message": message}


def _order(failure: Mapping[str, Any]) -> tuple[bool, bool, str]:
    """A lost fellow is a consequence; a tie in milliseconds goes to what UTP knows the kind of."""
    return failure["kind"] == FailureKind.LOST, failure["kind"] == FailureKind.INTERNAL, failure["failed_at"]


def _name_silent(spec: JobSpec, cause: dict[str, Any], recorded: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the failure of a worker that lost its fellows, with who of them died without a word in front."""
    silent = sorted(set(range(spec.request.num_workers)) - {failure["rank"] for failure in recorded})
    if not silent:
        return cause
    ranks = " and ".join(f"rank {number}" for number in silent)
    message = f"{ranks} went away without a word, as with its machine; rank {cause['rank']}: {cause['message']}"
    return {**cause, "message": message, "rank": silent[0]}


def _killed_worker(failure: BaseException | None, *, is_oom: bool) -> dict[str, Any] | None:
    if not isinstance(failure, WorkerGroupError):
        return None
    failures: Mapping[int, BaseException] = failure.worker_failures
    for number, told in sorted(failures.items()):
        error = told.health_check_failure if isinstance(told, WorkerHealthCheckFailedError) else told
        if isinstance(error, RayActorError | OutOfMemoryError):
            kind = FailureKind.OOM_HOST if is_oom else _kind_of_death(error)
            message = f"the process of rank {number} died: {error}"
            return {"outcome": "failed", "kind": str(kind), "message": message, "rank": number}
    return None


def _kind_of_death(error: BaseException) -> FailureKind:
    text = str(error)
    # By its memory monitor; of any death Ray says that the kernel's OOM killer may have done it.
    if isinstance(error, OutOfMemoryError) or "memory pressure" in text or "running low on memory" in text:
        return FailureKind.OOM_HOST
    if isinstance(error, NodeDiedError) or "its node has died" in text:  # of any death Ray speaks of nodes, too
        return FailureKind.NODE_LOST
    return FailureKind.LOST
