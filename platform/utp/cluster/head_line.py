"""`HeadLine`: a worker's line to the head. It tells how far training is, and hears what is wished and when it is out.

All of it happens in one thread; training never waits for the head, save for a commit after the lease has run out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from utp.cluster.run_channel import RunChannel
from utp.errors import AttemptSuperseded, FailureKind, UtpError
from utp.store.policy import WORKER_LEASE_S

BEAT_INTERVAL_S = 2.0
MAX_SILENCE_S = 600.0
"""A commit waits so long for the head to come back."""
CLOSING_S = 5.0

Connect = Callable[[], RunChannel | None]
"""Finds the head: None where there is no platform. Raises `OSError` while it can't be reached."""


class HeadNotReached(UtpError):
    """The head was away for so long that this attempt has to count itself as given up."""

    kind = FailureKind.LOST

    def __init__(self, silence_s: float) -> None:
        super().__init__(silence_s)
        self.silence_s = silence_s

    def __str__(self) -> str:
        return (
            f"the head has not answered for {self.silence_s:.0f} s, so another attempt may have been started; "
            "this one leaves without saving. Retry the run once the head is there"
        )


class HeadLine:
    """Beats from a thread of its own.

    Args:
        connect: finds the head.
        run: id and attempt, as the head knows them, and the run's name.
        stop_file: asks to stop as well, once it is there; how the driver asks without a head.
        note: takes a sentence for the run's log.
        lease_s: seconds without an answer after which nothing is committed.
    """

    def __init__(
        self,
        connect: Connect,
        run: tuple[str, int, str],
        stop_file: Path,
        note: Callable[[str], None],
        *,
        lease_s: float = WORKER_LEASE_S,
        interval_s: float = BEAT_INTERVAL_S,
    ) -> None:
        self._connect = connect
        self._run_id, self._attempt, self._name = run
        self._stop_file = stop_file
        self._note = note
        self._lease_s = lease_s
        self._interval_s = interval_s
        self._channel: RunChannel | None = None
        self._has_platform = True
        self._facts: Mapping[str, Any] | None = None
        self._progress = (0, 0, "starting")
        self._answered_at = time.monotonic()
        self._is_away = False
        self._is_superseded = False
        self._wish = "none"
        self._answered = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="head-line", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def tell_started(self, facts: Mapping[str, Any]) -> None:
        """Say that training begins, now or once the head is there."""
        self._facts = facts

    def tell_progress(self, step: int, epoch: int, phase: str) -> None:
        """Set what the next beat says."""
        self._progress = (step, epoch, phase)

    @property
    def wish(self) -> str:
        """What somebody wishes of the run: `none`, `stop`, `pause` or `preempt`."""
        return self._wish

    def should_stop(self) -> bool:
        """Whether training has to save, if it may, and leave."""
        return self._wish != "none" or self._is_superseded

    def check_lease(self) -> None:
        """Return when a checkpoint may be committed; wait for the head where it is away.

        Raises:
            AttemptSuperseded: the head goes on without this attempt.
            HeadNotReached: it did not come back.
        """
        with self._answered:
            self._answered.wait_for(self._may_decide, timeout=MAX_SILENCE_S)
            if self._is_superseded:
                raise AttemptSuperseded(self._name, self._attempt, self._attempt + 1)
            if not self._may_decide():
                raise HeadNotReached(time.monotonic() - self._answered_at)

    def send(self, stream: str, offset: int, data: bytes) -> int | None:
        """Bring a piece of one of the attempt's files to the head; None as `take`'s, and where there is no platform."""
        if not self._has_platform:
            return None
        if self._channel is None:
            raise ConnectionError("the head was not found yet")
        return self._channel.take(self._run_id, self._attempt, stream, offset, data)

    def close(self, result: Mapping[str, Any]) -> None:
        """End; say how the attempt did, where that is known and the head is there; `result.json` says it anyhow."""
        self._closing.set()
        self._thread.join(CLOSING_S)
        if not result or self._channel is None or self._thread.is_alive():
            return
        try:
            if self._facts is not None:  # it ended before the beat that would have said so
                self._channel.started(self._run_id, self._attempt, self._facts)
            self._channel.ended(self._run_id, self._attempt, result)
        except OSError as error:
            self._say(f"the head was not told how the attempt ended ({error}); it will read result.json")

    def _may_decide(self) -> bool:
        has_lease = time.monotonic() - self._answered_at < self._lease_s
        return self._is_superseded or not self._has_platform or has_lease

    def _beat_on(self) -> None:
        while not self._closing.is_set() and not self._is_superseded:
            with suppress(OSError):  # a mount that stutters: the beats have to go on
                if self._stop_file.exists():
                    self._wish = "stop"
            if self._has_platform:
                self._beat()
            self._closing.wait(self._interval_s)

    def _beat(self) -> None:
        try:
            channel = self._channel = self._channel or self._connect()
            if channel is None:
                self._take_answer("none", has_platform=False)
                return
            if self._facts is not None and not channel.started(self._run_id, self._attempt, self._facts):
                self._take_answer(None)
                return
            self._facts = None
            self._take_answer(channel.beat(self._run_id, self._attempt, *self._progress))
        except OSError as error:
            if not self._is_away:
                self._say(f"the head can't be reached ({error}); training goes on, and tells it later")
            self._is_away = True

    def _say(self, sentence: str) -> None:
        with suppress(OSError):  # the log's disk is full, or away
            self._note(sentence)

    def _take_answer(self, wish: str | None, *, has_platform: bool = True) -> None:
        if self._is_away:
            self._say("the head is there again")
        with self._answered:
            self._is_away, self._has_platform = False, has_platform
            self._answered_at = time.monotonic()
            if wish is None:
                self._is_superseded = True
            elif wish != "none":
                self._wish = wish
            self._answered.notify_all()
