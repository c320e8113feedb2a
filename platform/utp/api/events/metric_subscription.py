"""`MetricSubscription`: the points of curves as they come, each once; where a curve was cut or grew too fast, a gap."""

from __future__ import annotations

from bisect import bisect_right

from utp.api.events.metric_feed import MetricFeed
from utp.api.events.pump import Wake
from utp.api.events.schemas import MetricPoints, MetricsGap, MetricsMessage, SubscribeMetrics
from utp.api.metrics.schemas import CurveOut


class MetricSubscription:
    """Follows curves of some runs. `sent` is how far each curve is at the client."""

    def __init__(self, feed: MetricFeed, asked: SubscribeMetrics) -> None:
        self._feed = feed
        self._asked = asked
        self._sent: dict[str, dict[str, int]] = {}
        self._begin: dict[str, int] = {}
        self._wake: Wake = lambda: None

    async def open(self, wake: Wake) -> None:
        """Begin behind `after_step`, for runs that it does not name with what comes."""
        self._wake = wake
        await self._feed.follow(self._asked.run_ids, wake)
        for run_id in self._asked.run_ids:
            known = self._asked.after_step.get(run_id)
            # At the last step itself another curve may have had its point after the client last looked.
            self._begin[run_id] = -1 if known is None else known - 1
            heads = self._feed.heads.get(run_id, {})
            self._sent[run_id] = dict(heads) if known is None else {name: min(known - 1, heads[name]) for name in heads}

    async def take(self) -> str | None:
        """Return the new points of one run, or a gap."""
        for run_id in self._asked.run_ids:
            heads, sent = self._feed.heads.get(run_id, {}), self._sent[run_id]
            wanted = [name for name in heads if self._asked.names is None or name in self._asked.names]
            if cut := [heads[name] for name in wanted if heads[name] < sent.get(name, -1)]:
                sent.update(heads)
                return self._gap(run_id, min(cut))
            if behind := [name for name in wanted if heads[name] > sent.get(name, self._begin[run_id])]:
                return await self._points(run_id, behind)
        return None

    def close(self) -> None:
        """Follow no more."""
        self._feed.leave(self._asked.run_ids, self._wake)

    async def _points(self, run_id: str, names: list[str]) -> str:
        sent, begin = self._sent[run_id], self._begin[run_id]
        heads = self._feed.heads[run_id]
        last = min(sent.get(name, begin) for name in names)
        curves = await self._feed.read(run_id, sorted(names), last)
        if any(curve.is_downsampled for curve in curves):
            sent.update({name: heads[name] for name in names})
            return self._gap(run_id, last)
        points = {curve.name: _between(curve, sent.get(curve.name, begin), heads[curve.name]) for curve in curves}
        sent.update({name: heads[name] for name in names})
        return MetricsMessage(type="metrics", id=self._asked.id, run_id=run_id, points=points).model_dump_json()

    def _gap(self, run_id: str, after_step: int) -> str:
        return MetricsGap(type="metrics_gap", id=self._asked.id, run_id=run_id, after_step=after_step).model_dump_json()


def _between(curve: CurveOut, after: int, last: int) -> MetricPoints:
    """Return the points behind a step, up to the last one that was known before they were read."""
    part = slice(bisect_right(curve.steps, after), bisect_right(curve.steps, last))
    epochs = None if curve.epochs is None else curve.epochs[part]
    return MetricPoints(steps=curve.steps[part], values=curve.values[part], epochs=epochs)
