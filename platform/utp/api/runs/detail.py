"""One run with everything: attempts, cause of its failure, command that does the same again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utp.api.configs.training import changed_fields
from utp.api.runs.answers import Highlights, run_fields
from utp.api.runs.cause import find_cause
from utp.api.runs.schemas import Attempt, RunDataset, RunDetail
from utp.api.schemas import to_time
from utp.api.services import Services
from utp.config.paths import RunPaths
from utp.store.errors import RunNotFound
from utp.store.repositories.run_lists import ListedRun, RunLists
from utp.store.repositories.runs import AttemptRow, RunRepository

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Largest JSON file of a run that is read whole."""


def read_detail(services: Services, run_id: str) -> tuple[RunDetail, ListedRun]:
    """Return everything about a run but its curves, logs and files, and its row. Raises `RunNotFound`."""
    lists = RunLists(services.database)
    stored = RunRepository(services.database).get(run_id)
    found = lists.by_ids([run_id])
    if not found.runs:
        raise RunNotFound(run_id)  # it is being deleted
    listed = found.runs[0]
    attempts = [_to_attempt(row, stored.run_dir) for row in stored.attempts]
    changed = changed_fields(stored.config)
    detail = RunDetail(
        **run_fields(listed, Highlights(lists).of([listed])[listed.config_id], found.now),
        config=dict(stored.config),
        config_changed_fields=changed,
        request=dict(stored.request),
        run_dir=stored.run_dir,
        checkpoint_dir=stored.checkpoint_dir,
        attempts=attempts,
        cause=find_cause(stored, attempts, services.settings.home),
        dataset=_dataset(lists, run_id),
        parent_run_id=listed.parent_run_id,
        command=command_of(stored.name, stored.config, changed),
    )
    return detail, listed


def command_of(name: str, config: Mapping[str, Any], changed: Sequence[str]) -> str:
    """Return a shell command that trains the same: it writes the fields that differ from the defaults to a file."""
    fields = json.dumps({field: config[field] for field in changed}, ensure_ascii=False)
    file = shlex.quote(f"{name}.json")
    return f"printf %s {shlex.quote(fields)} > {file} && utp train {file}"


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


def _dataset(lists: RunLists, run_id: str) -> RunDataset | None:
    found = lists.dataset_of(run_id)
    return None if found is None else RunDataset(id=found[0], version_id=found[1], fingerprint=found[2])
