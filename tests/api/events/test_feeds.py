"""What the feeds of a process keep while it runs for months, and after the store was away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from utp.api.events import metric_feed, run_feed
from utp.api.events.metric_feed import MetricFeed
from utp.api.events.run_feed import RunFeed
from utp.api.events.sources import SentEvent, SentRun
from utp.store.errors import StoreUnavailable

RUN = "a" * 32


@pytest.fixture(autouse=True)
def looks_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for feed in (run_feed, metric_feed):
        monkeypatch.setattr(feed, "PERIOD_S", 3600.0)


class Store:
    """A store in which things happen as a test says; of what sockets read of the real one."""

    def __init__(self) -> None:
        self.num_events = 0
        self.live: list[str] = []
        self.num_reads = 0
        self.is_away = False

    def newest_seq(self) -> int:
        return 0

    def events_after(self, seq: int, _run_id: str | None, limit: int) -> list[SentEvent]:
        last = min(self.num_events, seq + limit)
        return [SentEvent(number, f"run{number}", 1, "{}") for number in range(seq + 1, last + 1)]

    def live_runs(self) -> list[str]:
        return self.live

    def runs(self, run_ids: Sequence[str]) -> list[SentRun]:
        return [SentRun(run_id, "project", 1, run_id in self.live, "{}") for run_id in run_ids]

    def metric_heads(self, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        return {run_id: {"loss": 10} for run_id in run_ids}

    def curves(self, *_: Any) -> Sequence[Any]:
        self.num_reads += 1
        if self.is_away:
            raise StoreUnavailable("db", "away")
        return ["a curve"]


def wake() -> None:
    """Do nothing."""


def test_rows_of_a_project_that_is_followed_for_ever_are_as_many_as_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_feed, "MAX_KEPT_ROWS", 3)
    monkeypatch.setattr(run_feed, "ROWS_EVERY_S", 0.0)
    store = Store()
    store.live = ["run1"]

    async def follow() -> None:
        feed = RunFeed(store)  # type: ignore[arg-type]
        await feed.follow(wake, project_id="project")
        await feed.follow(wake, run_id="run2")
        for number in range(1, 51):
            store.num_events = number
            await feed._look()
        await feed._look()
        assert sorted(feed.rows) == ["run1", "run2", "run48", "run49", "run50"]
        await feed.close()

    asyncio.run(follow())


def test_read_of_curves_that_failed_is_tried_again_and_none_is_kept_for_long() -> None:
    store = Store()

    async def follow() -> None:
        feed = MetricFeed(store)  # type: ignore[arg-type]
        await feed.follow([RUN], wake)
        await asyncio.sleep(0)
        store.is_away = True
        with pytest.raises(StoreUnavailable):
            await feed.read(RUN, ["loss"], 5)
        store.is_away = False
        await feed._look()  # the curves have not grown: their run has ended
        both = await asyncio.gather(*(feed.read(RUN, ["loss"], 5) for _ in range(2)))
        assert (both, store.num_reads) == ([["a curve"], ["a curve"]], 2)
        await feed._look()
        assert not feed._reads
        await feed.close()

    asyncio.run(follow())
