"""The dashboard on Ray Serve: the app of `utp.api` in replicas that reserve no CPU.

With `utp up` the replicas listen themselves, and Serve has no proxy: it starts, watches and replaces them. With
`serve deploy deployments/serve.yaml` and `serve run utp.entrypoints.serve:app` they stand behind Serve's own proxies.
Several replicas need PostgreSQL: what they share is the store and the files.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.config import ProxyLocation
from ray.serve.schema import LoggingConfig

from utp.api.app import build_app
from utp.api.security.redaction import redact_logs
from utp.api.services import Services
from utp.cluster.demand import explain_unsatisfiable
from utp.cluster.joined_cluster import find_joined
from utp.cluster.local_ray import find_local
from utp.cluster.store_nodes import read_nodes
from utp.config.request import RunRequest
from utp.entrypoints.farewell import open_shared_port, server_of
from utp.settings import Settings, get_settings
from utp.store.database import Database, open_database
from utp.store.recorder import Recorder

NAME = "utp"
MAX_ONGOING_REQUESTS = 5000
"""Each open WebSocket is one for as long as it lives."""
SHUTDOWN_S = 3.0
"""Sockets do not end by themselves, and their clients come back to where they were: waiting for them gains nothing."""
HEAD_NODE = "node:__internal_head__"
"""Resource that Ray gives the head's machine alone; its replicas share the port."""
NEXT_TO_NOTHING = 0.001
STARTED_PERIOD_S = 0.01
HEALTH_PERIOD_S, HEALTH_TIMEOUT_S = 5.0, 15.0
"""A replica that is silent at three looks in a row is replaced: within a minute in place of Serve's two."""


@dataclass(frozen=True)
class RecordedCluster:
    """The Ray that `utp up` started or joined, by its record, and its machines, as the store knows them."""

    settings: Settings
    database: Database

    def is_up(self) -> bool:
        """Whether there is one; this process is of it."""
        return self.dashboard_url() is not None

    def dashboard_url(self) -> str | None:
        """Address of Ray's own dashboard."""
        found = find_local(self.settings.home) or find_joined(self.settings.home)
        return found.dashboard if found else None

    def explain_unsatisfiable(self, request: RunRequest) -> str | None:
        """Return why no machine could ever run this; machines that are away count."""
        return explain_unsatisfiable(request, read_nodes(self.database))


def build_dashboard() -> FastAPI:
    """Return the app of one replica, on the store that the settings name."""
    settings = get_settings()
    database = open_database(settings)
    redact_logs()
    cluster = RecordedCluster(settings, database)
    return build_app(Services(settings=settings, database=database, recorder=Recorder(database), cluster=cluster))


OPTIONS: dict[str, Any] = {
    "name": "dashboard",
    "max_ongoing_requests": MAX_ONGOING_REQUESTS,
    "graceful_shutdown_timeout_s": SHUTDOWN_S,
    "health_check_period_s": HEALTH_PERIOD_S,
    "health_check_timeout_s": HEALTH_TIMEOUT_S,
    "ray_actor_options": {"num_cpus": 0},
    "logging_config": LoggingConfig(enable_access_log=False),
}


@serve.deployment(**OPTIONS)
@serve.ingress(build_dashboard)
class Dashboard:
    """One replica behind Serve's proxies."""

    async def check_health(self) -> None:
        """Answer, which a stuck event loop does not; the database may be away, and a new replica had it no nearer."""


app = Dashboard.bind()  # type: ignore[attr-defined]


@serve.deployment(**OPTIONS)
class ListeningDashboard:
    """One replica that listens itself, on a port that the replicas of its machine share: no hop, no copy.

    Args:
        host: address to listen on.
        port: port to listen on.
    """

    def __init__(self, host: str, port: int) -> None:
        listener = open_shared_port(host, port)
        self._server = server_of(build_dashboard(), host, port)
        self._loop = asyncio.get_running_loop()
        self._serving = self._loop.create_task(self._server.serve(sockets=[listener]))
        atexit.register(self._end_with_process)

    async def check_health(self) -> None:
        """Answer, once the server has started. Raises `RuntimeError` where it has ended.

        Serve asks before it counts a replica in, and again all the time.
        """
        while not (self._server.started or self._serving.done()):  # noqa: ASYNC110  uvicorn has a flag for it
            await asyncio.sleep(STARTED_PERIOD_S)
        if self._serving.done():
            raise RuntimeError("the server of this replica has ended") from self._serving.exception()

    async def __del__(self) -> None:
        """Let sockets say goodbye; Serve calls it before it ends a replica."""
        self._server.should_exit = True
        await self._serving

    def _end_with_process(self) -> None:
        """Let sockets say goodbye where a SIGTERM ends the process, as that of `utp down`."""
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self.__del__(), self._loop).result(SHUTDOWN_S)


def start_dashboard(host: str, port: int, num_replicas: int = 1) -> None:
    """Start the dashboard on this address of the head's machine; returns once it answers. Ray is connected.

    What runs there already is replaced by this version of it, one replica after the other.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # its progress is not the user's affair
    serve.start(proxy_location=ProxyLocation.Disabled)
    here = {"num_cpus": 0, "resources": {HEAD_NODE: NEXT_TO_NOTHING}}
    replicas = ListeningDashboard.options(num_replicas=num_replicas, ray_actor_options=here)  # type: ignore[attr-defined]
    serve.run(replicas.bind(host, port), name=NAME, route_prefix=None)
