"""One run with everything: attempts, cause of its failure, command that does the same again."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from utp.api.configs.training import changed_fields
from utp.api.json_answers import JsonFields
from utp.api.runs.answers import Highlights, run_fields
from utp.api.runs.cause import find_cause
from utp.api.runs.schemas import Attempt, RunDataset
from utp.api.schemas import to_time
from utp.config.paths import RunPaths
from utp.store.repositories.run_lists import RunLists, WholeRun
from utp.store.repositories.runs import AttemptRow

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Largest JSON file of a run that is read whole."""
MAX_KNOWN_CONFIGS = 500


def detail_fields(whole: WholeRun, lists: RunLists, home: Path) -> JsonFields:
    """Return the fields of `RunDetail`."""
    run = whole.run
    config = read_config(whole.config)
    attempts = [_to_attempt(row, whole.run_dir) for row in whole.attempts]
    return {
        **run_fields(run, Highlights(lists).of([run])[run.config_id], whole.now),
        "config": config.fields,
        "config_changed_fields": config.changed,
        "request": whole.request,
        "run_dir": whole.run_dir,
        "checkpoint_dir": whole.checkpoint_dir,
        "attempts": attempts,
        "cause": find_cause(whole, attempts, home),
        "dataset": _dataset(whole),
        "parent_run_id": run.parent_run_id,
        "command": command_of(run.name, config.quoted),
    }


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """What is told of a run's config; contents never change."""

    fields: dict[str, Any]
    changed: list[str]
    """Fields that differ from the defaults."""
    quoted: str
    """Those as JSON, for a shell."""


@lru_cache(maxsize=MAX_KNOWN_CONFIGS)
def read_config(content: str) -> ReadConfig:
    """Return the config of this JSON; runs of one config share it, so nobody changes it."""
    fields = json.loads(content)
    changed = changed_fields(fields)
    text = json.dumps({field: fields[field] for field in changed}, ensure_ascii=False)
    return ReadConfig(fields, changed, shlex.quote(text))


def command_of(name: str, quoted_fields: str) -> str:
    """Return a shell command that trains the same: it writes the fields that differ from the defaults to a file."""
    file = shlex.quote(f"{name}.json")
    return f"printf %s {quoted_fields} > {file} && utp train {file}"


def read_json_file(path: Path) -> dict[str, Any] | None:
    """Return a JSON object of a run's own files; None where it is missing, torn or far too large."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _to_attempt(row: AttemptRow, run_dir: str) -> Attempt:
    traceback = None
    if row.failure_kind is not None:
        result = read_json_file(RunPaths(Path(run_dir), Path(run_dir)).attempt(row.attempt).result) or {}
        found = result.get("traceback")
        traceback = found if isinstance(found, str) else None
    return Attempt(
        attempt=row.attempt,
        submission_id=row.submission_id,
        host=row.host,
        placement=None if row.placement is None else dict(row.placement),
        started_at=to_time(row.started_at),
        ended_at=to_time(row.ended_at),
        outcome=row.outcome,
        failure_kind=row.failure_kind,
        message=row.message,
        rank=row.rank,
        start_step=row.start_step,
        step=row.step,
        epoch=row.epoch,
        traceback=traceback,
    )


def _dataset(whole: WholeRun) -> RunDataset | None:
    if whole.dataset is None:
        return None
    dataset_id, version_id, fingerprint = whole.dataset
    return RunDataset(id=dataset_id, version_id=version_id, fingerprint=fingerprint)
