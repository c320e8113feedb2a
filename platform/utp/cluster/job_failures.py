"""Finds the cause of a job's failure: of several workers the first that failed, since the others fall over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.exceptions import ActorDiedError, NodeDiedError, OutOfMemoryError, RayActorError
from ray.train import WorkerGroupError

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
        # A failed collective is a consequence; a tie in milliseconds goes to what UTP knows the kind of.
        first = min(recorded, key=lambda content: (content["kind"] == FailureKind.INTERNAL, content["failed_at"]))
        return {name: first[name] for name in ("outcome", "kind", "message", "rank", "traceback")}
    message = f"{type(failure).__name__}: {failure}" if failure else "the worker ended without a word"
    return {"outcome": "failed", "kind": str(FailureKind.LOST), "message": message}


def _killed_worker(failure: BaseException | None, *, is_oom: bool) -> dict[str, Any] | None:
    if not isinstance(failure, WorkerGroupError):
        return None
    failures: Mapping[int, BaseException] = failure.worker_failures
    for number, error in sorted(failures.items()):
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
    if isinstance(error, NodeDiedError) or (isinstance(error, ActorDiedError) and "node" in text and "died" in text):
        return FailureKind.NODE_LOST
    return FailureKind.LOST
