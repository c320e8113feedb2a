"""`/metrics`: for Prometheus, behind the same login; it asks with a token."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from utp.api.dependencies import PrincipalDep
from utp.api.security.permissions import Action

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="get_prometheus_metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
def get_prometheus_metrics(request: Request, principal: PrincipalDep) -> Response:
    """Return gauges of the platform and the times of requests, in Prometheus' text format."""
    principal.require(None, Action.READ)
    registry: CollectorRegistry = request.app.state.telemetry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
