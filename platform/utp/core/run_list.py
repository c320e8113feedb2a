"""The runs below a folder, read from their own files alone: how each ended, how far it came, how good it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from utp.config.loading import read_config
from utp.config.paths import AttemptPaths, RunPaths
from utp.config.train import TrainConfig
from utp.core.journal import START, attempt_numbers, read_json, read_rows
from utp.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One run, as its files tell it."""

    directory: str
    outcome: str
    """`succeeded`, `failed`, `stopped`, `running`, `interrupted` (ended without a word), or `unreadable`."""
    attempts: int
    epoch: int
    """Epochs done."""
    epochs: int
    """Epochs wanted."""
    best_metric: str
    best_value: float | None
    best_epoch: int | None
    started_at: str
    """ISO 8601, UTC; empty where it never started."""
    duration_s: float
    """Over all attempts, the pauses between them left out."""


def list_runs(root: Path) -> list[RunSummary]:
    """Return the runs `root/DATASET/RUN`, the last started first; a folder without `config.json` is none."""
    folders = [path.parent for path in root.glob("*/*/config.json")]
    return sorted((summarise_run(folder) for folder in folders), key=lambda run: run.started_at, reverse=True)


def summarise_run(directory: Path) -> RunSummary:
    """Return what the files of one run say; a torn config makes it `unreadable`."""
    paths = RunPaths(directory, directory)
    attempts = [paths.attempt(number) for number in attempt_numbers(paths)]
    starts = [read_json(attempt.directory / START) for attempt in attempts]
    try:
        config = read_config(paths.config)
    except ConfigError:
        config = None
    rows = [row for attempt in attempts for row in read_rows(attempt.metrics) if row["kind"] == "epoch"]
    best = _best_row(config, rows) if config else None
    return RunSummary(
        directory=str(directory),
        outcome=_outcome(attempts, starts) if config else "unreadable",
        attempts=len(attempts),
        epoch=max((row["epoch"] for row in rows), default=0),
        epochs=config.epochs if config else 0,
        best_metric=config.monitor_metric if config else "",
        best_value=best[config.monitor_metric] if config and best else None,
        best_epoch=best["epoch"] if best else None,
        started_at=next((start["started_at"] for start in starts if "started_at" in start), ""),
        duration_s=round(sum(map(_duration_s, attempts, starts)), 1),
    )


def _best_row(config: TrainConfig, rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row of the best epoch, the first of equal ones, as training chooses it."""
    rated = [row for row in rows if isinstance(row.get(config.monitor_metric), int | float)]
    sign = 1 if config.monitor_mode == "max" else -1
    return max(rated, key=lambda row: sign * row[config.monitor_metric], default=None)


def _outcome(attempts: Sequence[AttemptPaths], starts: Sequence[dict[str, Any]]) -> str:
    if not attempts:
        return "interrupted"
    if outcome := read_json(attempts[-1].result).get("outcome"):
        return str(outcome)
    return "running" if _is_alive(starts[-1]) else "interrupted"


def _is_alive(start: dict[str, Any]) -> bool:
    """Whether the attempt's process is there; on another machine, whose processes can't be seen, it is taken so."""
    if start.get("host") != os.uname().nodename:
        return bool(start)
    try:
        born = psutil.Process(start["pid"]).create_time()
    except psutil.NoSuchProcess:
        return False
    return born <= datetime.fromisoformat(start["started_at"]).timestamp()  # or its number was given out again


def _duration_s(attempt: AttemptPaths, start: dict[str, Any]) -> float:
    if "started_at" not in start:
        return 0.0
    began = datetime.fromisoformat(start["started_at"])
    ended = read_json(attempt.result).get("ended_at")
    if ended is None and attempt.metrics.is_file():  # alive or killed: until its last word
        return max(0.0, (datetime.fromtimestamp(attempt.metrics.stat().st_mtime, UTC) - began).total_seconds())
    return max(0.0, (datetime.fromisoformat(ended) - began).total_seconds()) if ended else 0.0
