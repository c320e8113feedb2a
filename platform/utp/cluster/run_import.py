"""Takes a run that `utp train` made, or that came out of an archive, into the store; then it looks like any other."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from utp.cluster.attempt_result import read_result
from utp.cluster.ingest import Ingest
from utp.config.loading import read_config
from utp.config.paths import AttemptPaths, RunPaths, dataset_root
from utp.core.journal import START, assemble_run, attempt_numbers, read_json
from utp.core.run_list import summarise_run
from utp.errors import ConfigError, FailureKind
from utp.settings import Settings
from utp.store.recorder import Recorder
from utp.store.recorder.adoption import AdoptedAttempt
from utp.store.states import Outcome

_ATTEMPT = TypeAdapter(AdoptedAttempt)
NO_WORD = "its process ended without a word"


def import_run(
    paths: RunPaths,
    recorder: Recorder,
    settings: Settings,
    *,
    project: str = "default",
    owner: str = "",
    is_copy: bool = False,
) -> str:
    """Record a run with its attempts, metrics, checkpoints and figures; return its id. May be done again.

    One that is a copy has no process, though its last attempt may have left no word on another machine.

    Raises:
        ConfigError: the run is alive, or its config can't be read.
        PathRefused: the root of its dataset leads outside its mount.
    """
    config = read_config(paths.config)
    if not is_copy and summarise_run(paths.run_dir).outcome == "running":
        raise ConfigError((f"{paths.run_dir}: the run is alive; import it once it has ended, or stop it first",))
    assemble_run(paths)
    numbers = attempt_numbers(paths)
    run_id = recorder.adopt_run(
        config,
        paths,
        dataset_root(config.root, settings),
        [_read_attempt(number, paths.attempt(number)) for number in numbers],
        metrics=read_json(paths.result).get("metrics"),
        project=project,
        owner=owner,
    )
    ingest = Ingest(recorder)
    for number in numbers:
        ingest.take_attempt(run_id, number, paths, paths.attempt(number).metrics)
    return run_id


def _read_attempt(number: int, paths: AttemptPaths) -> AdoptedAttempt:
    start, result = read_json(paths.directory / START), read_result(paths)
    kind = result.get("kind") if result else FailureKind.LOST
    told = {
        "attempt": number,
        "start_step": start.get("resumed_step"),
        "host": start.get("host"),
        "pid": start.get("pid"),
        "started_at": _seconds(start.get("started_at")),
        "ended_at": _seconds(result.get("ended_at")) or _last_word(paths),
        "outcome": result.get("outcome", Outcome.LOST),
        "failure_kind": kind,
        "message": result.get("message") if result else NO_WORD,
        "step": result.get("step") or 0,
        "epoch": result.get("epoch") or 0,
    }
    return _ATTEMPT.validate_python(told)


def _seconds(time: Any) -> float | None:
    return datetime.fromisoformat(time).timestamp() if isinstance(time, str) else None


def _last_word(paths: AttemptPaths) -> float | None:
    return paths.metrics.stat().st_mtime if paths.metrics.is_file() else None
