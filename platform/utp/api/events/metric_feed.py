"""`MetricFeed`: how far the curves of the followed runs are, and their new points, read once for all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from utp.api.events.pump import Pump, Wake
from utp.api.events.sources import Sources
from utp.api.metrics.schemas import CurveOut

PERIOD_S = 0.2
MAX_POINTS = 2000
"""Of a curve in one message; of more there is a gap."""

Heads = Mapping[str, int]
"""Last step by name of curve."""


class MetricFeed:
    """Used on the event loop only; the store is read by threads."""

    def __init__(self, sources: Sources) -> None:
        self.heads: Mapping[str, Heads] = {}
        self._sources = sources
        self._num_following: Counter[str] = Counter()
        self._reads: dict[tuple[str, tuple[tuple[str, int], ...], int], asyncio.Task[Sequence[CurveOut]]] = {}
        self._pump = Pump("metrics", self._look, PERIOD_S)

    async def follow(self, run_ids: Sequence[str], wake: Wake) -> None:
        """Have `wake` called when there are new points; the heads of these runs are there at once."""
        missing = [run_id for run_id in run_ids if self._num_following[run_id] <= 0 or run_id not in self.heads]
        self._num_following.update(run_ids)
        if missing:
            self.heads = {**self.heads, **await asyncio.to_thread(self._sources.metric_heads, missing)}
        self._pump.follow(wake)

    def leave(self, run_ids: Sequence[str], wake: Wake) -> None:
        """End what `follow` began, or was about to."""
        self._pump.leave(wake)
        self._num_following.subtract(run_ids)

    async def read(self, run_id: str, names: Sequence[str], after_step: int) -> Sequence[CurveOut]:
        """Return the curves of these names behind a step."""
        heads = self.heads.get(run_id, {})  # part of the key: a read that began before they were known may lack them
        key = (run_id, tuple((name, heads.get(name, -1)) for name in names), after_step)
        if key not in self._reads:
            self._reads[key] = asyncio.create_task(
                asyncio.to_thread(self._sources.curves, run_id, names, after_step, MAX_POINTS)
            )
        return await asyncio.shield(self._reads[key])  # who leaves must not end it for the others

    async def close(self) -> None:
        """End all."""
        await self._pump.close()
        for task in self._reads.values():
            task.cancel()
        await asyncio.gather(*self._reads.values(), return_exceptions=True)

    async def _look(self) -> None:
        self._num_following = +self._num_following
        # Those who share a read were woken together; one that failed must not fail again for who comes back.
        self._reads = {key: task for key, task in self._reads.items() if not task.done()}
        heads = await asyncio.to_thread(self._sources.metric_heads, list(self._num_following))
        if heads != {run_id: self.heads.get(run_id) for run_id in heads}:
            self.heads = heads
            self._pump.wake_all()
