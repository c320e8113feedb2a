"""THE ONE LIST of the API's routers, a line each."""

from __future__ import annotations

from fastapi import APIRouter

from utp.api.agents.endpoints import router as agents
from utp.api.checkpoints.endpoints import router as checkpoints
from utp.api.comparisons.endpoints import router as comparisons
from utp.api.evaluations.endpoints import router as evaluations
from utp.api.figures.endpoints import router as figures
from utp.api.meta.endpoints import router as meta
from utp.api.metrics.endpoints import router as metrics
from utp.api.predictions.endpoints import router as predictions
from utp.api.projects.endpoints import router as projects
from utp.api.run_queue.endpoints import router as queue

ROUTERS: tuple[APIRouter, ...] = (
    meta,
    comparisons,  # before runs: /runs/compare would be taken for a run of that name
    projects,
    metrics,
    agents,
    queue,
    checkpoints,
    figures,
    evaluations,
    predictions,
)
"""All of them lie below `/api/v1`; the WebSocket and what lies at the root is added by `app.py`."""
