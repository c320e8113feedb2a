"""THE ONE LIST of the API's routers, a line each."""

from __future__ import annotations

from fastapi import APIRouter

from utp.api.events.endpoints import router as events
from utp.api.logs.endpoints import router as logs
from utp.api.meta.endpoints import router as meta
from utp.api.projects.endpoints import router as projects

ROUTERS: tuple[APIRouter, ...] = (
    meta,
    projects,
    logs,
    events,
)
"""All of them lie below `/api/v1`; the WebSocket and what lies at the root is added by `app.py`."""
