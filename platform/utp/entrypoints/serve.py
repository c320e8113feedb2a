"""The dashboard on Ray Serve: the app of `utp.api` in replicas that reserve no CPU.

`utp up` starts it, `serve deploy deployments/serve.yaml` and `serve run utp.entrypoints.serve:app` do as well. Several
replicas need PostgreSQL: what they share is the store and the files.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fastapi import FastAPI
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation
from ray.serve.schema import LoggingConfig

from utp.api.app import build_app
from utp.api.security.redaction import redact_logs
from utp.api.services import Services
from utp.cluster.demand import explain_unsatisfiable
from utp.cluster.joined_cluster import find_joined
from utp.cluster.local_ray import find_local
from utp.cluster.store_nodes import read_nodes
from utp.config.request import RunRequest
from utp.settings import Settings, get_settings
from utp.store.database import Database, open_database
from utp.store.recorder import Recorder

NAME = "utp"
MAX_ONGOING_REQUESTS = 5000
"""Each open WebSocket is one for as long as it lives."""
SHUTDOWN_S = 3.0
"""Sockets do not end by themselves, and their clients come back to where they were: waiting for them gains nothing."""
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


@serve.deployment(
    name="dashboard",
    max_ongoing_requests=MAX_ONGOING_REQUESTS,
    graceful_shutdown_timeout_s=SHUTDOWN_S,
    health_check_period_s=HEALTH_PERIOD_S,
    health_check_timeout_s=HEALTH_TIMEOUT_S,
    ray_actor_options={"num_cpus": 0},
    logging_config=LoggingConfig(enable_access_log=False),
)
@serve.ingress(build_dashboard)
class Dashboard:
    """One replica."""

    async def check_health(self) -> None:
        """Answer, which a stuck event loop does not; the database may be away, and a new replica had it no nearer."""


app = Dashboard.bind()  # type: ignore[attr-defined]


def start_dashboard(host: str, port: int, num_replicas: int = 1) -> None:
    """Start Serve's proxy on this address and the dashboard behind it; returns once it answers. Ray is connected.

    What runs there already is replaced by this version of it, one replica after the other.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # its progress is not the user's affair
    options = HTTPOptions(host=host, port=port)
    serve.start(proxy_location=ProxyLocation.HeadOnly, http_options=options)
    serve.run(Dashboard.options(num_replicas=num_replicas).bind(), name=NAME, route_prefix="/")  # type: ignore[attr-defined]
