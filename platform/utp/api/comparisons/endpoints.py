"""Comparisons over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from utp.api.comparisons.image_diff import compare_images
from utp.api.comparisons.schemas import Comparison, ImageDiff
from utp.api.comparisons.service import ComparisonService
from utp.api.dependencies import PrincipalDep, ServicesDep
from utp.api.evaluations.schemas import Split
from utp.api.routes import api_router
from utp.api.runs.access import split_ids
from utp.api.schemas import Id

router = api_router("comparisons", "/runs/compare")

MAX_RUNS = 20


@router.get("", operation_id="compare_runs")
def compare_runs(
    services: ServicesDep,
    principal: PrincipalDep,
    ids: Annotated[str, Query(max_length=1000, description="Ids of 2 to 20 runs, with commas.")],
) -> Comparison:
    """Return runs side by side: configs, metrics, means over seeds."""
    return ComparisonService(services, principal).compare(split_ids(ids, "ids", at_least=2, at_most=MAX_RUNS))


@router.get("/images", operation_id="compare_run_images")
def compare_run_images(
    services: ServicesDep,
    principal: PrincipalDep,
    a: Id,
    b: Id,
    split: Split = "val",
    limit: Annotated[int, Query(ge=1, le=500, description="Images each way.")] = 100,
) -> ImageDiff:
    """Return which images run b mends and breaks over run a, and whether that may be chance."""
    return compare_images(services, principal, run_a=a, run_b=b, split=split, limit=limit)
