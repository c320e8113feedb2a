"""Gauges of the platform, read from the store whenever they are asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from utp.store.database import Database
from utp.store.errors import StoreError
from utp.store.states import RunState
from utp.store.tables.run import Run

_log = logging.getLogger(__name__)


class PlatformGauges(Collector):
    """Runs by state, the length of the queue, open sockets.

    Args:
        database: the store; while it is away its gauges are missing.
        num_sockets: gives the sockets of this process.
    """

    def __init__(self, database: Database, num_sockets: Callable[[], int]) -> None:
        self._database = database
        self._num_sockets = num_sockets

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        yield GaugeMetricFamily("utp_sockets", "WebSockets that are open in this process.", self._num_sockets())
        try:
            counts = self._count_runs()
        except StoreError as error:
            _log.warning("the gauges of runs are missing: %s", error)
            return
        runs = GaugeMetricFamily("utp_runs", "Runs that are not archived, by state.", labels=("state",))
        for state in RunState:
            runs.add_metric((str(state),), counts.get(state, 0))
        yield runs
        yield GaugeMetricFamily("utp_queue_length", "Runs that wait to start.", counts.get(RunState.QUEUED, 0))

    def _count_runs(self) -> dict[RunState, int]:
        query = select(Run.state, func.count()).where(Run.archived_at.is_(None), Run.deleted_at.is_(None))
        with self._database.read() as connection:
            return dict(connection.execute(query.group_by(Run.state)).all())
