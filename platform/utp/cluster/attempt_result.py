"""`result.json`, the last word of an attempt: read, and handed to the recorder. Imports neither torch nor Ray."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from utp.config.paths import AttemptPaths, RunPaths
from utp.core.journal import read_json
from utp.errors import FailureKind
from utp.store.recorder import Recorder
from utp.store.states import Outcome, RunState

_log = logging.getLogger(__name__)

Count = Annotated[int, Field(ge=0, lt=2**31)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="ignore"))
class AttemptResult:
    """What the store takes of a `result.json`, which may say more."""

    outcome: Outcome
    kind: FailureKind | None = None
    message: str | None = None
    step: Count | None = None
    epoch: Count | None = None
    metrics: dict[str, Any] | None = None
    rank: Count | None = None


_RESULT = TypeAdapter(AttemptResult)


def find_result(run_dir: str, attempt: int) -> Mapping[str, Any]:
    """Return what the attempt wrote last; empty where it wrote nothing, or nothing that can be read and understood."""
    return read_result(RunPaths(Path(run_dir), Path(run_dir)).attempt(attempt))


def read_result(paths: AttemptPaths) -> Mapping[str, Any]:
    """Return the content of a `result.json`, as `find_result`."""
    try:
        content = read_json(paths.result)
        if content:
            _RESULT.validate_python(content)
    except (OSError, ValidationError) as error:  # a run may put anything there; the others have to go on
        _log.warning("%s counts as missing: %s", paths.result, error)
        return {}
    return content


def record_result(recorder: Recorder, run_id: str, attempt: int, result: Mapping[str, Any]) -> RunState | None:
    """End the attempt as its result says; return the run's state after it, None if the attempt had ended before."""
    told = _RESULT.validate_python(dict(result))
    return recorder.end_attempt(
        run_id,
        attempt,
        outcome=told.outcome,
        failure_kind=told.kind,
        message=told.message,
        step=told.step,
        epoch=told.epoch,
        metrics=told.metrics,
        rank=told.rank,
    )
