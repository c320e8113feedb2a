"""Rows of runs as the API answers them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

from utp.api.json_answers import JsonFields
from utp.api.runs.schemas import Run, RunEvent
from utp.api.schemas import to_time, to_time_text
from utp.store.repositories.events import EventRow
from utp.store.repositories.run_lists import ListedRun, RunLists
from utp.store.repositories.run_lists import RunList as ListedRuns
from utp.store.states import LIVE, RunState

HIGHLIGHTS = (
    "root",
    "model_flavour",
    "load_pretrained",
    "freeze_backbone",
    "task",
    "loss",
    "optimizer",
    "schedule",
    "lr",
    "weight_decay",
    "batch_size",
    "grad_accum_steps",
    "epochs",
    "image_size",
    "augmentation",
    "seed",
    "run_name",
    "model_suffix",
)
"""Fields of the config that lists show as columns."""


class Highlights:
    """Reads the highlights of configs, each config once: contents never change.

    Args:
        lists: of the store.
    """

    def __init__(self, lists: RunLists) -> None:
        self._lists = lists

    def of(self, runs: Iterable[ListedRun]) -> dict[str, Mapping[str, Any]]:
        """Return the highlights by config id."""
        ids = {run.config_id for run in runs}
        missing = [config_id for config_id in ids if config_id not in _KNOWN]
        for config_id, config in (self._lists.configs(missing) if missing else {}).items():
            if len(_KNOWN) >= MAX_KNOWN:
                _KNOWN.clear()
            _KNOWN[config_id] = {name: config[name] for name in HIGHLIGHTS if name in config}
        return {config_id: _KNOWN.get(config_id, {}) for config_id in ids}


MAX_KNOWN = 10_000
_KNOWN: dict[str, Mapping[str, Any]] = {}


def to_runs(found: ListedRuns, lists: RunLists) -> list[Run]:
    """Return runs as lists show them."""
    highlights = Highlights(lists).of(found.runs)
    return [Run(**run_fields(run, highlights[run.config_id], found.now)) for run in found.runs]


def to_run_fields(found: ListedRuns, lists: RunLists) -> list[JsonFields]:
    """Return the fields of `Run` of each run."""
    highlights = Highlights(lists).of(found.runs)
    return [run_fields(run, highlights[run.config_id], found.now) for run in found.runs]


def run_fields(run: ListedRun, highlights: Mapping[str, Any], now: float) -> JsonFields:
    """Return the fields of `Run`."""
    is_live = run.state in LIVE and run.attempt_started_at is not None
    elapsed_s = max(0.0, now - (run.attempt_started_at or now)) if is_live else 0.0
    is_queued = run.state is RunState.QUEUED
    return {
        **dict(zip(_PLAIN, _plain_values(run), strict=True)),
        "state": str(run.state),
        "wish": str(run.wish),
        "health": str(run.health),
        "failure_kind": None if run.failure_kind is None else str(run.failure_kind),
        "created_at": to_time_text(run.created_at),
        "queued_at": to_time_text(run.queued_at),
        "started_at": to_time_text(run.started_at),
        "ended_at": to_time_text(run.ended_at),
        "archived_at": to_time_text(run.archived_at),
        "config_id": run.saved_config_id,
        "progress": None if not run.total_steps else min(1.0, run.step / run.total_steps),
        "eta_s": _eta_s(run, elapsed_s),
        "run_time_s": run.run_time_s + elapsed_s,
        "wait_reason": run.wait_reason or None if is_queued else None,
        "position": run.position if is_queued else None,
        "starts_in_s": None if run.starts_at is None or not is_queued else max(0.0, run.starts_at - now),
        "highlights": highlights,
    }


def to_event(row: EventRow) -> RunEvent:
    """Return an event of a run."""
    moved = {"old_state": row.old_state, "new_state": row.new_state, "reason": row.reason or None}
    detail = {name: value for name, value in moved.items() if value is not None} | dict(row.data or {})
    return RunEvent(seq=row.seq, at=to_time(row.at), type=row.kind, attempt=row.attempt, detail=detail)


_MADE = {"state", "wish", "health", "failure_kind", "config_id"}
_MADE |= {"created_at", "queued_at", "started_at", "ended_at", "archived_at", "wait_reason", "position", "run_time_s"}
_PLAIN = tuple(name for name in ListedRun.__dataclass_fields__ if name in Run.model_fields and name not in _MADE)
_plain_values = attrgetter(*_PLAIN)


def _eta_s(run: ListedRun, elapsed_s: float) -> float | None:
    """Return the seconds that the steps left take at the speed of this attempt."""
    done = run.step - (run.start_step or 0)
    if run.total_steps is None or run.state is not RunState.RUNNING or done <= 0 or elapsed_s <= 0:
        return None
    return max(0, run.total_steps - run.step) * elapsed_s / done
