"""`Ingest`: brings what an attempt wrote into the store. The files are the truth; it may be done any number of times.

What is remembered here only spares work: after a restart everything is read again from the start, to the same rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utp.cluster.attempt_result import record_result
from utp.config.paths import AttemptPaths, RunPaths
from utp.core.checkpoint import Checkpoint, CheckpointStore
from utp.core.checkpoint_manifest import MANIFEST
from utp.core.journal import read_json
from utp.store.errors import AttemptNotStarted
from utp.store.recorder import Recorder
from utp.store.states import RunState

PIECE_BYTES = 1 << 20
"""Rows are recorded so many bytes of `metrics.jsonl` at a time."""


@dataclass
class _Done:
    """What of an attempt is in the store already."""

    offset: int = 0
    checkpoints: dict[str, bool] = field(default_factory=dict)
    """Name to whether it was the best."""
    figures: dict[str, int] = field(default_factory=dict)
    """Name to the file's time, in ns."""
    fingerprint: str = ""


class Ingest:
    """Reads attempts' files and tells the recorder.

    Args:
        recorder: of the store.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._done: dict[tuple[str, int], _Done] = defaultdict(_Done)

    def take_attempt(self, run_id: str, attempt: int, paths: RunPaths, metrics: Path) -> None:
        """Record rows, checkpoints, figures and the dataset's version; what is not there is left out.

        Args:
            run_id: of the run.
            attempt: its number.
            paths: of the run, as the head sees them.
            metrics: the attempt's rows: its own file, or the head's copy.
        """
        if not self.take_rows(run_id, attempt, metrics):
            return
        self._take_checkpoints(run_id, attempt, paths)
        self._take_figures(run_id, attempt, paths.attempt(attempt))
        self._take_dataset(run_id, attempt, paths)

    def take_rows(self, run_id: str, attempt: int, metrics: Path) -> bool:
        """Record the rows that have come; a torn last line waits. False where the start is not recorded yet."""
        done = self._done[run_id, attempt]
        try:
            for rows, offset in _read_batches(metrics, done.offset):
                self._recorder.record_rows(run_id, attempt, rows)
                done.offset = offset
        except AttemptNotStarted:
            return False
        return True

    def end_attempt(self, run_id: str, attempt: int, result: Mapping[str, Any]) -> RunState | None:
        """Record how an attempt ended, by its `result.json`; return the run's state, None if it had ended before."""
        self._done.pop((run_id, attempt), None)
        return record_result(self._recorder, run_id, attempt, result)

    def forget_others(self, live: Collection[tuple[str, int]]) -> None:
        """Forget all attempts but these: one that has ended may have been looked at once more."""
        self._done = defaultdict(_Done, {key: done for key, done in self._done.items() if key in live})

    def _take_checkpoints(self, run_id: str, attempt: int, paths: RunPaths) -> None:
        if not paths.checkpoint_dir.is_dir():
            return
        known = self._done[run_id, attempt].checkpoints
        committed = CheckpointStore(paths.checkpoint_dir, attempt=0).committed()
        names = [checkpoint.name for checkpoint in committed]
        if not committed or names == list(known):
            return
        best = _best(committed[-1])
        is_best = {checkpoint.name: checkpoint.name == best.get("checkpoint") for checkpoint in committed}
        # The best one last: it takes the place of the one before.
        for checkpoint in sorted(committed, key=lambda checkpoint: is_best[checkpoint.name]):
            if known.get(checkpoint.name) != is_best[checkpoint.name]:
                self._record_checkpoint(run_id, checkpoint, best if is_best[checkpoint.name] else {})
        self._recorder.forget_checkpoints(run_id, names)  # those that were pruned
        self._done[run_id, attempt].checkpoints = is_best

    def _record_checkpoint(self, run_id: str, checkpoint: Checkpoint, best: Mapping[str, Any]) -> None:
        manifest = read_json(checkpoint.directory / MANIFEST)
        if manifest:  # else it was pruned just now
            self._recorder.record_checkpoint(
                run_id,
                manifest["attempt"],
                name=checkpoint.name,
                step=checkpoint.step,
                epoch=checkpoint.epoch,
                size_bytes=sum(file["size_bytes"] for file in manifest["files"]),
                is_best=bool(best),
                metric=best.get("metric"),
                value=best.get("value"),
            )

    def _take_figures(self, run_id: str, attempt: int, paths: AttemptPaths) -> None:
        known = self._done[run_id, attempt].figures
        for path in sorted(paths.figures.glob("*.png")):
            changed_ns = path.stat().st_mtime_ns
            if known.get(path.stem) != changed_ns:
                step = read_json(path.with_suffix(".json")).get("step", 0)
                place = path.relative_to(paths.directory.parents[1]).as_posix()
                self._recorder.record_figure(run_id, attempt, name=path.stem, path=place, step=step)
                known[path.stem] = changed_ns

    def _take_dataset(self, run_id: str, attempt: int, paths: RunPaths) -> None:
        data = read_json(paths.environment).get("data") or {}
        fingerprint = data.get("data_fingerprint")
        if fingerprint and fingerprint != self._done[run_id, attempt].fingerprint:
            summary = {"classes": data.get("classes", [])}
            self._recorder.record_dataset(run_id, fingerprint=fingerprint, summary=summary)
            self._done[run_id, attempt].fingerprint = fingerprint


def _read_batches(metrics: Path, offset: int) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Yield the rows of whole lines from an offset on, with the offset behind them."""
    try:
        file = metrics.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        while piece := file.read(PIECE_BYTES):
            end = piece.rfind(b"\n") + 1
            if not end:
                if len(piece) < PIECE_BYTES:
                    return
                end = len(piece)  # no row is that long: what follows is read on as a line, and is none either
            yield [row for line in piece[:end].splitlines() if (row := _parse(line))], offset + end
            offset += end
            file.seek(offset)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "kind" in row and isinstance(row.get("step"), int) else None


def _best(newest: Checkpoint) -> dict[str, Any]:
    """The best epoch so far, as the newest checkpoint tells it: its metric, value and checkpoint; empty if none."""
    try:
        best: dict[str, Any] | None = newest.read_state()["state"]["progress"].get("best")
    except (OSError, ValueError, KeyError):
        return {}
    return best or {}
