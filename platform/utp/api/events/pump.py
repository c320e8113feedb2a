"""`Pump`: something that is looked at every now and then, only while somebody follows it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from utp.store.errors import StoreError

AFTER_FAULT_S = 1.0

Wake = Callable[[], None]
"""Called on the event loop when there may be something to take."""

_log = logging.getLogger(__name__)


class Pump:
    """Calls `look` for as long as there are followers. Used on the event loop only."""

    def __init__(self, name: str, look: Callable[[], Awaitable[None]], period_s: float) -> None:
        self.followers: set[Wake] = set()
        self._name = name
        self._look = look
        self._period_s = period_s
        self._task: asyncio.Task[None] | None = None

    def follow(self, wake: Wake) -> None:
        """Have `wake` called by `wake_all`, and begin to look if nobody followed before."""
        self.followers.add(wake)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"pump-{self._name}")

    def leave(self, wake: Wake) -> None:
        """End what `follow` began; unknown is fine."""
        self.followers.discard(wake)

    def wake_all(self) -> None:
        """Wake all followers."""
        for wake in tuple(self.followers):
            wake()

    async def close(self) -> None:
        """Look no more."""
        self.followers.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self.followers:
            try:
                await self._look()
            except (StoreError, OSError) as error:
                _log.warning("%s is not followed for %g s: %s", self._name, AFTER_FAULT_S, error)
                await asyncio.sleep(AFTER_FAULT_S)
            except Exception:  # noqa: BLE001  the edge of the task: sockets stay open, and it is tried again
                _log.exception("a look at %s failed", self._name)
                await asyncio.sleep(AFTER_FAULT_S)
            await asyncio.sleep(self._period_s)
