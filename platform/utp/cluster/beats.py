"""`Beats`: heart-beats of all runs, written to the store together, a transaction for many."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from utp.store.recorder import Recorder
from utp.store.recorder.attempts import Beat
from utp.store.states import Wish

MAX_AGE_S = 5.0
"""Older answers of the store are not given again: a worker may take an answer for a renewed lease (30 s)."""
FORGOTTEN_AFTER_S = 60.0

AttemptKey = tuple[str, int]
"""Run id and attempt."""


@dataclass(frozen=True)
class _Answer:
    wish: Wish | None
    at_s: float


class Beats:
    """Answers at once with what the store said last, and brings the beats there at each `flush`.

    Args:
        recorder: of the store.
        clock: seconds that only go forward.
    """

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.monotonic) -> None:
        self._recorder = recorder
        self._clock = clock
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._pending: dict[AttemptKey, Beat] = {}
        self._answers: dict[AttemptKey, _Answer] = {}

    def beat(self, beat: Beat) -> Wish | None:
        """Take a beat; return what is wished, None if superseded or ended. Raises `StoreError` if the store is away."""
        key = (beat.run_id, beat.attempt)
        with self._lock:
            self._pending[key] = beat
        if not self._is_fresh(key):
            self.flush()
        return self._answers[key].wish

    def flush(self) -> None:
        """Write the beats that have come since the last time. Raises `StoreError`; then they wait for the next."""
        with self._flushing:
            with self._lock:
                pending, self._pending = self._pending, {}
            try:
                for batch in _batches(pending):
                    self._write(batch)
            except BaseException:
                with self._lock:
                    self._pending = {**pending, **self._pending}
                raise
            self._forget_old()

    def _write(self, batch: list[Beat]) -> None:
        answers = self._recorder.beat_all(batch)
        now = self._clock()
        with self._lock:
            for beat in batch:
                self._answers[beat.run_id, beat.attempt] = _Answer(answers[beat.run_id], now)

    def _is_fresh(self, key: AttemptKey) -> bool:
        answer = self._answers.get(key)
        return answer is not None and self._clock() - answer.at_s < MAX_AGE_S

    def _forget_old(self) -> None:
        with self._lock:
            for key, answer in list(self._answers.items()):
                if self._clock() - answer.at_s > FORGOTTEN_AFTER_S:
                    del self._answers[key]


def _batches(pending: dict[AttemptKey, Beat]) -> list[list[Beat]]:
    """One attempt of each run a batch: a superseded one may beat beside the newest."""
    batches: list[dict[str, Beat]] = []
    for beat in pending.values():
        batch = next((batch for batch in batches if beat.run_id not in batch), None)
        if batch is None:
            batches.append(batch := {})
        batch[beat.run_id] = beat
    return [list(batch.values()) for batch in batches]
