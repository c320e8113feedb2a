"""`Live`: all that the sockets of one process share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from utp.api.events.log_feeds import LogFeeds
from utp.api.events.log_subscription import LogSubscription
from utp.api.events.metric_feed import MetricFeed
from utp.api.events.metric_subscription import MetricSubscription
from utp.api.events.run_feed import RunFeed
from utp.api.events.run_subscriptions import ProjectSubscription, RunSubscription
from utp.api.events.schemas import (
    Subscribe,
    SubscribeAgents,
    SubscribeLog,
    SubscribeMetrics,
    SubscribeProject,
    SubscribeQueue,
)
from utp.api.events.snapshots import SnapshotFeed, SnapshotSubscription
from utp.api.events.sources import Sources, read_agents, read_queue
from utp.api.events.subscription import Subscription
from utp.api.logs.service import INDEXES
from utp.api.runs.access import require_run, require_runs
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.store.repositories.project_overviews import ProjectOverviews


class Live:
    """Feeds, each of which reads once for all who follow; they rest while nobody does."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sources = Sources(services)
        self._logs = LogFeeds(INDEXES)
        self._runs = RunFeed(self._sources)
        self._metrics = MetricFeed(self._sources)
        self._queue = SnapshotFeed("queue", self._sources, read_queue)
        self._agents = SnapshotFeed("agents", self._sources, read_agents)
        self._goodbyes: set[Callable[[str], None]] = set()
        self._is_alone = asyncio.Event()
        self._is_alone.set()

    @property
    def num_sockets(self) -> int:
        """Sockets that are open now."""
        return len(self._goodbyes)

    @contextmanager
    def connected(self, say_goodbye: Callable[[str], None]) -> Iterator[None]:
        """Count a socket, and have it called when the server goes."""
        self._goodbyes.add(say_goodbye)
        self._is_alone.clear()
        try:
            yield
        finally:
            self._goodbyes.discard(say_goodbye)
            if not self._goodbyes:
                self._is_alone.set()

    def say_goodbye(self, reason: str) -> None:
        """Have every socket tell its client why it is closed, and close."""
        for say_goodbye in tuple(self._goodbyes):
            say_goodbye(reason)

    async def wait_until_alone(self, timeout_s: float) -> None:
        """Return once no socket is open, and after some seconds in any case."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._is_alone.wait()

    def check(self, principal: Principal, asked: Subscribe) -> Subscription:
        """Return the subscription that was asked for, not open yet; asks the store, so it is called in a thread.

        Raises:
            NotFound: there is no such run or project, or it is not to be seen.
            Forbidden: it is not to be read.
        """
        if isinstance(asked, SubscribeProject):
            principal.require(asked.project_id, Action.READ)
            ProjectOverviews(self._services.database).get(asked.project_id)
            return ProjectSubscription(self._runs, self._sources, asked)
        if isinstance(asked, SubscribeQueue | SubscribeAgents):
            principal.require(None, Action.READ)
            feed = self._queue if isinstance(asked, SubscribeQueue) else self._agents
            return SnapshotSubscription(feed, principal, asked.id)
        if isinstance(asked, SubscribeMetrics):
            require_runs(self._services, principal, asked.run_ids)
            return MetricSubscription(self._metrics, asked)
        place = require_run(self._services, principal, asked.run_id)
        if isinstance(asked, SubscribeLog):
            return LogSubscription(self._logs, self._runs, place, self._services.settings.home, asked)
        return RunSubscription(self._runs, self._sources, asked)

    async def close(self) -> None:
        """End all feeds."""
        for feed in (self._logs, self._runs, self._metrics, self._queue, self._agents):
            await feed.close()
