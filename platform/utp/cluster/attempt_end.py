"""How an attempt ended: by its own `result.json`, and only where there is none by what Ray says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utp.cluster.job_client import JobReport, JobStatus
from utp.config.paths import RunPaths
from utp.core.journal import read_json
from utp.errors import FailureKind
from utp.store.recorder import Recorder
from utp.store.states import OUTCOME_OF_WISH, Outcome, Wish

_EXIT_CODE = re.compile(r"exit code (-?\d+)")


@dataclass(frozen=True)
class End:
    """What is recorded of an attempt that did not say itself how it ended."""

    outcome: Outcome
    kind: FailureKind | None
    message: str


def read_result(run_dir: str, attempt: int) -> Mapping[str, Any]:
    """Return what the attempt wrote last, empty where it wrote nothing."""
    return read_json(RunPaths(Path(run_dir), Path(run_dir)).attempt(attempt).result)


def record_result(recorder: Recorder, run_id: str, attempt: int, result: Mapping[str, Any]) -> None:
    """End the attempt as its `result.json` says; does nothing where it has ended already."""
    kind = result.get("kind")
    recorder.end_attempt(
        run_id,
        attempt,
        outcome=Outcome(result["outcome"]),
        failure_kind=FailureKind(kind) if kind else None,
        message=result.get("message"),
        step=result.get("step"),
        epoch=result.get("epoch"),
        metrics=result.get("metrics"),
        rank=result.get("rank"),
    )


def conclude(report: JobReport | None, wish: Wish) -> End:
    """Return how an attempt ended that left no result, from what Ray says of its job.

    Its processes are gone, or will find themselves superseded.
    """
    if wish is not Wish.NONE:
        return End(OUTCOME_OF_WISH[wish], None, f"ended by {wish}, without a last checkpoint")
    if report is None:
        return End(Outcome.LOST, FailureKind.LOST, "Ray does not know its job any more: its head was started anew")
    if report.status is JobStatus.STOPPED:
        return End(Outcome.STOPPED, FailureKind.STOPPED, "was stopped in Ray (`ray job stop`)")
    if report.status is JobStatus.SUCCEEDED:
        message = "Ray says that its job succeeded, but no result.json is to be seen: check the shared path"
        return End(Outcome.FAILED, FailureKind.STORAGE_ERROR, message)
    found = _EXIT_CODE.search(report.message)
    code = int(found.group(1)) if found else None
    if code is not None and 0 < code < 128:
        return End(Outcome.FAILED, FailureKind.INTERNAL, f"its job ended with exit code {code}: see job.log")
    how = f"was killed (exit code {code})" if code is not None else "died"
    return End(Outcome.LOST, FailureKind.LOST, f"its job {how}: {report.message[:300]}")
