"""`result.json`, the last word of an attempt: read, and handed to the recorder. Imports neither torch nor Ray."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utp.config.paths import RunPaths
from utp.core.journal import read_json
from utp.errors import FailureKind
from utp.store.recorder import Recorder
from utp.store.states import Outcome, RunState


def read_result(run_dir: str, attempt: int) -> Mapping[str, Any]:
    """Return what the attempt wrote last, empty where it wrote nothing."""
    return read_json(RunPaths(Path(run_dir), Path(run_dir)).attempt(attempt).result)


def record_result(recorder: Recorder, run_id: str, attempt: int, result: Mapping[str, Any]) -> RunState | None:
    """End the attempt as its result says; return the run's state after it, None if the attempt had ended before."""
    kind = result.get("kind")
    return recorder.end_attempt(
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
