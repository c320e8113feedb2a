"""Evaluations over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.evaluations.schemas import EvaluationDetail, EvaluationList, Split
from utp.api.evaluations.service import EvaluationService
from utp.api.routes import api_router

router = api_router("evaluations", "/runs/{run_id}/evaluations")

EpochPath = Annotated[int, Path(ge=0, le=2**31 - 1)]


@router.get("", operation_id="list_evaluations")
def list_evaluations(services: ServicesDep, principal: PrincipalDep, run_id: IdPath) -> EvaluationList:
    """List the evaluations of a run with their metrics."""
    return EvaluationService(services, principal).list_evaluations(run_id)


@router.get("/{split}/{epoch}", operation_id="get_evaluation")
def get_evaluation(
    services: ServicesDep, principal: PrincipalDep, run_id: IdPath, split: Split, epoch: EpochPath
) -> EvaluationDetail:
    """Return confusion matrix, metrics by class, ROC curve and reliability of one evaluation."""
    return EvaluationService(services, principal).get(run_id, split, epoch)
