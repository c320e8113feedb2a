"""Curves over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.metrics.schemas import CurveList, MetricNameList
from utp.api.metrics.service import EVERY_NAME, MetricService
from utp.api.metrics.system_curves import read_system_curves
from utp.api.routes import api_router
from utp.api.runs.access import split_ids

router = api_router("metrics")

MAX_RUNS = 100
MAX_STEP = 2**31 - 1

CurveNames = Annotated[str, Query(max_length=4000, description="Names of curves, with commas; * means all.")]
MaxPoints = Annotated[int, Query(ge=4, le=10_000, description="Of each curve; lowest and highest of each part stay.")]


@router.get("/metrics", operation_id="list_metrics")
def list_metrics(
    services: ServicesDep,
    principal: PrincipalDep,
    run_ids: Annotated[str, Query(max_length=4000, description="Ids of runs, with commas.")],
    names: CurveNames = EVERY_NAME,
    max_points: MaxPoints = 2000,
    after_step: Annotated[int | None, Query(ge=-1, le=MAX_STEP, description="Only what is behind it.")] = None,
    axes: Annotated[bool, Query(description="With epoch and time of each step.")] = True,
) -> CurveList:
    """Return curves of runs, thinned out so that no spike is lost."""
    ids = split_ids(run_ids, "run_ids", at_least=1, at_most=MAX_RUNS)
    wanted = {name for name in names.split(",") if name}
    service = MetricService(services, principal)
    return service.read_curves(ids, wanted, max_points=max_points, after_step=after_step, with_axes=axes)


@router.get("/runs/{run_id}/metrics/names", operation_id="list_metric_names")
def list_metric_names(services: ServicesDep, principal: PrincipalDep, run_id: IdPath) -> MetricNameList:
    """Return what a run has measured, with the newest and the best value of each."""
    return MetricService(services, principal).list_names(run_id)


@router.get("/runs/{run_id}/system", operation_id="list_system_metrics")
def list_system_metrics(
    services: ServicesDep, principal: PrincipalDep, run_id: IdPath, max_points: MaxPoints = 2000
) -> CurveList:
    """Return how well the run used its machines, and what those and its GPUs did meanwhile."""
    return read_system_curves(services, principal, run_id, max_points)
