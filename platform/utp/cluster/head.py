"""`Head`: what workers speak to. It fills `RunChannel` with the store, the log hub and the ingest.

All calls are idempotent, and nothing is remembered that the store and the files do not tell as well: one that was
restarted goes on where the other stood. A superseded attempt is told so and nothing of it is taken.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from utp.cluster.attempt_result import read_result
from utp.cluster.beats import Beats
from utp.cluster.copy_cleaner import CopyCleaner
from utp.cluster.ingest import Ingest
from utp.cluster.log_hub import METRICS, LogHub
from utp.cluster.run_channel import RegisteredRun
from utp.config.loading import parse_config
from utp.config.paths import RunPaths
from utp.config.request import RunRequest
from utp.core.journal import assemble_run
from utp.logs.places import copies_folder
from utp.settings import Settings
from utp.store.database import Database
from utp.store.errors import StoreError
from utp.store.recorder import Recorder
from utp.store.recorder.attempts import Beat
from utp.store.repositories.run_places import RunPlace, RunPlaces
from utp.store.repositories.run_queue import QueueRepository
from utp.store.states import RunState

PLACE_AGE_S = 1.0
"""How long a run's newest attempt is taken from memory; as long may a superseded one still be heard."""
SWEEP_S = 5.0
"""Files of all live runs are looked through so often: what was never said is found there."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Known:
    place: RunPlace | None
    at_s: float


class Head:
    """Thread-safe; somebody calls `step` about once a second.

    Args:
        database: the store.
        settings: `home` is where copies of logs go.
        clock: seconds that only go forward.
    """

    def __init__(self, database: Database, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._recorder = Recorder(database)
        self._settings = settings
        self._clock = clock
        self._queue = QueueRepository(database)
        self._places = RunPlaces(database)
        self._known: dict[str, _Known] = {}
        self._beats = Beats(self._recorder, clock)
        self._ingest = Ingest(self._recorder)
        self._ingesting = threading.RLock()
        self._noting = threading.Lock()
        self._news: set[tuple[str, int]] = set()
        self._swept_at_s = float("-inf")
        self.logs = LogHub(copies_folder(settings.home), self._find_attempt, settings.max_log_bytes)
        self._cleaner = CopyCleaner(database, copies_folder(settings.home))

    def register(self, config_json: str, request_json: str, submission_id: str) -> RegisteredRun:
        """Record a job that came by `ray job submit`. Raises `ConfigError` or `PathRefused`."""
        config = parse_config(json.loads(config_json))
        request = TypeAdapter(RunRequest).validate_json(request_json)
        run = self._recorder.register_job(config, request, submission_id, settings=self._settings)
        return RegisteredRun(run_id=run.id, attempt=1, run_dir=run.run_dir, checkpoint_dir=run.checkpoint_dir)

    def started(self, run_id: str, attempt: int, facts: Mapping[str, Any]) -> bool:
        """Record that training begins; False where the attempt is superseded or has ended."""
        plan = {name: facts[name] for name in ("host", "pid", "start_step", "total_steps", "epochs")}
        return self._recorder.mark_running(run_id, attempt, **plan)

    def beat(self, run_id: str, attempt: int, step: int, epoch: int, phase: str) -> str | None:
        """Take a sign of life; return what is wished, None where the attempt is superseded or has ended."""
        wish = self._beats.beat(Beat(run_id=run_id, attempt=attempt, step=step, epoch=epoch, phase=phase))
        return None if wish is None else str(wish)

    def take(self, run_id: str, attempt: int, stream: str, offset: int, data: bytes) -> int | None:
        """Take a piece of one of the attempt's files; return the offset to go on from, None if it is superseded."""
        if not self._is_newest(run_id, attempt):
            return None
        following = self.logs.take(run_id, attempt, stream, offset, data)
        if stream == METRICS:
            with self._noting:
                self._news.add((run_id, attempt))
        return following

    def ended(self, run_id: str, attempt: int, result: Mapping[str, Any]) -> None:
        """Take all that the attempt left, and record how it ended; `result.json` has the last word where it is seen."""
        self.settle(run_id, attempt, result)

    def settle(self, run_id: str, attempt: int, result: Mapping[str, Any] | None = None) -> RunState | None:
        """Bring an attempt that has ended into the store, whole; return the run's state after it.

        Args:
            run_id: of the run.
            attempt: its number.
            result: how it ended; None: as its `result.json` says.

        Returns:
            None where the attempt is superseded, had ended before, or nothing says how it ended.
        """
        place = self._places.find(run_id)
        if place is None or place.attempt != attempt:
            return None
        paths = _paths(place)
        result = read_result(paths.attempt(attempt)) or result
        if not result:
            return None
        with self._ingesting:
            self._take_last(place)
            _assemble(paths)  # first: who sees that the run has ended finds its files
            state = self._ingest.end_attempt(run_id, attempt, result)
        self.logs.forget(run_id, attempt)
        return state

    def step(self) -> None:
        """Write the beats and take the rows that came; now and then look through all live runs' files, and tidy up."""
        self._beats.flush()
        with self._noting:
            news, self._news = self._news, set()
        is_sweep = self._clock() - self._swept_at_s >= SWEEP_S
        if is_sweep:
            live = {(row.run_id, row.attempt) for row in self._queue.active() if row.attempt}
            self._swept_at_s = self._clock()
            with self._ingesting:
                self._ingest.forget_others(live)
            self.logs.forget_others(live)
            self._cleaner.step()
            news |= live
        for run_id, attempt in sorted(news):
            self._take_news(run_id, attempt, is_sweep=is_sweep)

    def _take_news(self, run_id: str, attempt: int, *, is_sweep: bool) -> None:
        try:
            with self._ingesting:
                place = self._place(run_id)
                if place is None or place.attempt != attempt:
                    return
                if is_sweep:
                    self._take_files(place)
                else:
                    self._ingest.take_rows(run_id, attempt, self.logs.file(run_id, attempt, METRICS))
        except (OSError, StoreError) as error:  # of one run: the others go on, and it is tried again
            logger.warning("run %s, attempt %d: its files were not taken: %s", run_id, attempt, error)
        except Exception:  # a run may leave anything in its files: that is no fault of the others
            logger.exception("run %s, attempt %d: its files were not taken", run_id, attempt)

    def _take_last(self, place: RunPlace) -> None:
        """Take the files of an attempt that has ended, as far as they can be: its end is recorded anyhow."""
        try:
            self._take_files(place)
        except StoreError:
            raise  # who asked comes again
        except Exception:  # as above
            logger.exception("run %s, attempt %d: its last files were not taken", place.run_id, place.attempt)

    def _take_files(self, place: RunPlace) -> None:
        metrics = self.logs.file(place.run_id, place.attempt, METRICS)
        self._ingest.take_attempt(place.run_id, place.attempt, _paths(place), metrics)

    def _is_newest(self, run_id: str, attempt: int) -> bool:
        place = self._place(run_id)
        return place is not None and place.attempt == attempt

    def _place(self, run_id: str) -> RunPlace | None:
        known = self._known.get(run_id)
        if known is None or self._clock() - known.at_s > PLACE_AGE_S:
            if len(self._known) > 10_000:
                self._known.clear()
            known = self._known[run_id] = _Known(self._places.find(run_id), self._clock())
        return known.place

    def _find_attempt(self, run_id: str, attempt: int) -> Path | None:
        place = self._place(run_id)
        return _paths(place).attempt(attempt).directory if place else None


def _paths(place: RunPlace) -> RunPaths:
    return RunPaths(Path(place.run_dir), Path(place.checkpoint_dir))


def _assemble(paths: RunPaths) -> None:
    if not paths.attempts.is_dir():
        return  # this machine does not see the run's files
    try:
        assemble_run(paths)
    except OSError as error:  # a full disk keeps no run from ending
        logger.warning("%s: its files were not put together: %s", paths.run_dir, error)
