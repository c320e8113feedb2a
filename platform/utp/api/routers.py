"""THE ONE LIST of the API's routers, a line each."""

from __future__ import annotations

from fastapi import APIRouter

from utp.api.agents.endpoints import router as agents
from utp.api.audit.endpoints import router as audit
from utp.api.auth.endpoints import router as auth
from utp.api.checkpoints.endpoints import router as checkpoints
from utp.api.comparisons.endpoints import router as comparisons
from utp.api.configs.endpoints import router as configs
from utp.api.datasets.endpoints import router as datasets
from utp.api.evaluations.endpoints import router as evaluations
from utp.api.events.endpoints import router as events
from utp.api.figures.endpoints import router as figures
from utp.api.groups.endpoints import router as groups
from utp.api.logs.endpoints import router as logs
from utp.api.members.endpoints import router as members
from utp.api.meta.endpoints import router as meta
from utp.api.metrics.endpoints import router as metrics
from utp.api.models.endpoints import router as models
from utp.api.predictions.endpoints import router as predictions
from utp.api.projects.endpoints import router as projects
from utp.api.run_queue.endpoints import router as queue
from utp.api.runs.endpoints import router as runs
from utp.api.tensorboard.endpoints import router as tensorboard
from utp.api.tokens.endpoints import router as tokens
from utp.api.users.endpoints import router as users

ROUTERS: tuple[APIRouter, ...] = (
    comparisons,  # before runs: /runs/compare would be taken for a run of that name
    metrics,  # what is asked most stands first: each route is tried in turn
    runs,
    logs,
    meta,
    auth,
    users,
    tokens,
    audit,
    projects,
    events,
    members,
    groups,
    configs,
    agents,
    queue,
    datasets,
    checkpoints,
    figures,
    evaluations,
    predictions,
    models,
    tensorboard,
)
"""All of them lie below `/api/v1`; the WebSocket and what lies at the root is added by `app.py`."""
