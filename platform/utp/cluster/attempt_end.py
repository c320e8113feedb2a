"""How an attempt ended that left no `result.json`: by what Ray says of its job."""

from __future__ import annotations

import re
from dataclasses import dataclass

from utp.cluster.job_client import JobReport, JobStatus
from utp.cluster.job_spec import EXIT_STORAGE
from utp.errors import FailureKind
from utp.store.states import OUTCOME_OF_WISH, Outcome, Wish

_EXIT_CODE = re.compile(r"exit code (-?\d+)")


@dataclass(frozen=True)
class End:
    """What is recorded of an attempt that did not say itself how it ended."""

    outcome: Outcome
    kind: FailureKind | None
    message: str


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
    return _conclude_failure(report)


def _conclude_failure(report: JobReport) -> End:
    found = _EXIT_CODE.search(report.message)
    code = int(found.group(1)) if found else None
    if code == EXIT_STORAGE:
        return End(Outcome.FAILED, FailureKind.STORAGE_ERROR, f"its folder could not be used: {_last_line(report)}")
    if code is not None and 0 < code < 128:
        return End(Outcome.FAILED, FailureKind.INTERNAL, f"its job ended with exit code {code}: {_last_line(report)}")
    how = f"was killed (exit code {code})" if code is not None else "died"
    return End(Outcome.LOST, FailureKind.LOST, f"its job {how}: {_last_line(report)}")


def _last_line(report: JobReport) -> str:
    """Ray gives the end of the job's output after its own words."""
    lines = [line.strip() for line in report.message.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it wrote nothing"
