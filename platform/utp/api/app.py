"""`build_app`: the whole API as one ASGI app; it starts nothing and opens nothing until it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from utp.api import problem_handlers
from utp.api.docs import router as docs
from utp.api.events.live import Live
from utp.api.health import router as health
from utp.api.openapi import build_openapi
from utp.api.routers import ROUTERS
from utp.api.security.headers import Hashes, no_hashes
from utp.api.security.layers import add_layers
from utp.api.security.rate_limit import RateLimits
from utp.api.services import Services
from utp.api.telemetry.endpoints import router as telemetry
from utp.api.telemetry.gauges import PlatformGauges
from utp.api.telemetry.requests import RequestTimes
from utp.api.tensorboard.proxy import router as tensorboard
from utp.api.ui.serving import ExportedUi, find_ui

DESCRIPTION = "Trains and fine-tunes Hugging Face vision models on a team's own machines."


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.live.say_goodbye("the server stops")
    await app.state.live.close()


def build_app(services: Services, *, script_hashes: Hashes = no_hashes) -> FastAPI:
    """Return the app that stands on these services.

    Args:
        services: what it needs of this process.
        script_hashes: gives the hashes of the page's inline scripts, for the Content-Security-Policy.
    """
    app = FastAPI(
        title="Unified Training Platform",
        version=version("utp"),
        description=DESCRIPTION,
        redirect_slashes=False,  # a redirect would name the host that the client sent
        redoc_url=None,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        openapi_url=None,
        lifespan=_lifespan,
    )
    app.state.services = services
    app.state.live = live = Live(services)
    app.state.telemetry = registry = CollectorRegistry()
    registry.register(PlatformGauges(services.database, lambda: live.num_sockets))
    app.state.limits = limits = RateLimits(services.settings.rate_limit)
    problem_handlers.install(app)
    add_layers(app, services, limits, script_hashes)
    app.add_middleware(RequestTimes, registry=registry)  # outermost: what is refused takes time too
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    app.include_router(health)
    app.include_router(docs)
    app.include_router(telemetry)
    app.include_router(tensorboard)

    app.router.default = ExportedUi(find_ui(services.settings), app.router.default)

    def openapi() -> dict[str, Any]:
        return build_openapi(app)

    app.openapi = openapi  # type: ignore[method-assign]
    return app
