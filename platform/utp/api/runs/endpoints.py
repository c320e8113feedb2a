"""Runs over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Query, Request, Response

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.etag import IfMatch, set_etag
from utp.api.idempotency import CreationKeyDep
from utp.api.json_answers import JsonFields, json_answer
from utp.api.paging import PageDep
from utp.api.routes import api_router
from utp.api.runs.filters import FilterDep
from utp.api.runs.queueing import RunQueueing
from utp.api.runs.schemas import (
    BulkAction,
    BulkResult,
    Deletion,
    Run,
    RunCreate,
    RunDetail,
    RunEventPage,
    RunList,
    RunPage,
    RunPatch,
    RunsFromConfig,
)
from utp.api.runs.service import RunService
from utp.api.schemas import ID_PATTERN
from utp.api.security.audit import AUDITED, Audited
from utp.api.security.permissions import Action
from utp.store.repositories.project_overviews import ProjectOverviews

router = api_router("runs")

IdQuery = Annotated[str | None, Query(pattern=ID_PATTERN)]


@router.get("/runs", operation_id="list_runs", response_model=RunPage)
def list_runs(
    services: ServicesDep, principal: PrincipalDep, page: PageDep, wanted: FilterDep, project_id: IdQuery = None
) -> Response:
    """List runs of the projects that you see, the newest first unless sorted otherwise."""
    return json_answer(RunService(services, principal).list_runs(replace(wanted, project_id=project_id), page))


@router.get("/projects/{project_id}/runs", operation_id="list_project_runs", response_model=RunPage)
def list_project_runs(
    services: ServicesDep, principal: PrincipalDep, project_id: IdPath, page: PageDep, wanted: FilterDep
) -> Response:
    """List the runs of a project."""
    principal.require(project_id, Action.READ)
    ProjectOverviews(services.database).check_exists(project_id)
    return json_answer(RunService(services, principal).list_runs(replace(wanted, project_id=project_id), page))


@router.post("/runs/from-config/{config_id}", operation_id="create_runs_from_config", status_code=201)
def create_runs_from_config(
    services: ServicesDep, principal: PrincipalDep, config_id: IdPath, asked: RunsFromConfig, creation: CreationKeyDep
) -> RunList:
    """Queue one or more runs of a named config."""
    run_ids = RunQueueing(services, principal).from_config(config_id, asked, creation)
    return RunList(items=RunService(services, principal).summaries(run_ids))


@router.post("/runs", operation_id="create_run", status_code=201)
def create_run(services: ServicesDep, principal: PrincipalDep, asked: RunCreate, creation: CreationKeyDep) -> Run:
    """Queue a run with its config inline."""
    return RunService(services, principal).summary(RunQueueing(services, principal).inline(asked, creation))


@router.post("/runs/bulk", operation_id="act_on_runs")
def act_on_runs(services: ServicesDep, principal: PrincipalDep, asked: BulkAction, request: Request) -> BulkResult:
    """Do the same to many runs; each answers for itself."""
    result = RunService(services, principal).act_on_many(asked)
    changed = [item.run_id for item in result.items if item.ok]
    request.scope[AUDITED] = Audited(changed, {"action": asked.action})
    return result


@router.get("/runs/{run_id}", operation_id="get_run", response_model=RunDetail)
def get_run(services: ServicesDep, principal: PrincipalDep, run_id: IdPath) -> Response:
    """Return a run, with the ETag of what may be edited."""
    return _with_etag(*RunService(services, principal).get(run_id))


@router.patch("/runs/{run_id}", operation_id="update_run", response_model=RunDetail)
def update_run(
    services: ServicesDep,
    principal: PrincipalDep,
    run_id: IdPath,
    asked: RunPatch,
    if_match: IfMatch = None,
) -> Response:
    """Change tags, notes, priority, group, or archive it; needs If-Match."""
    return _with_etag(*RunService(services, principal).annotate(run_id, asked, if_match))


@router.delete("/runs/{run_id}", operation_id="delete_run")
def delete_run(
    services: ServicesDep, principal: PrincipalDep, run_id: IdPath, request: Request, dry_run: bool = False
) -> Deletion:
    """Delete a run with its files; `dry_run=true` only says what would go."""
    if dry_run:
        request.scope[AUDITED] = Audited([])
    return RunService(services, principal).delete(run_id, is_dry_run=dry_run)


@router.post("/runs/{run_id}/stop", operation_id="stop_run")
def stop_run(services: ServicesDep, principal: PrincipalDep, run_id: IdPath) -> Run:
    """Ask a run to save and stop; it can be resumed or retried."""
    return RunService(services, principal).act(run_id, "stop")


@router.post("/runs/{run_id}/pause", operation_id="pause_run")
def pause_run(services: ServicesDep, principal: PrincipalDep, run_id: IdPath) -> Run:
    """Ask a run to save and free its GPUs until somebody resumes it."""
    return RunService(services, principal).act(run_id, "pause")


@router.post("/runs/{run_id}/resume", operation_id="resume_run")
def resume_run(services: ServicesDep, principal: PrincipalDep, run_id: IdPath) -> Run:
    """Queue a paused, stopped or failed run; it goes on from its last checkpoint."""
    return RunService(services, principal).act(run_id, "resume")


@router.post("/runs/{run_id}/retry", operation_id="retry_run")
def retry_run(services: ServicesDep, principal: PrincipalDep, run_id: IdPath) -> Run:
    """Queue a failed or stopped run again, as a new attempt."""
    return RunService(services, principal).act(run_id, "retry")


@router.post("/runs/{run_id}/clone", operation_id="clone_run", status_code=201)
def clone_run(services: ServicesDep, principal: PrincipalDep, run_id: IdPath, creation: CreationKeyDep) -> Run:
    """Queue a new run with the same config and request."""
    return RunService(services, principal).summary(RunQueueing(services, principal).clone(run_id, creation))


@router.get("/runs/{run_id}/environment", operation_id="get_run_environment")
def get_run_environment(services: ServicesDep, principal: PrincipalDep, run_id: IdPath) -> dict[str, Any]:
    """Return versions, hardware, code and data that the run started with."""
    return RunService(services, principal).environment(run_id)


@router.get("/runs/{run_id}/events", operation_id="list_run_events")
def list_run_events(services: ServicesDep, principal: PrincipalDep, run_id: IdPath, page: PageDep) -> RunEventPage:
    """List what happened to a run, the oldest first."""
    return RunService(services, principal).events(run_id, page)


def _with_etag(run: JsonFields, etag: str) -> Response:
    response = json_answer(run)
    set_etag(response, etag)
    return response
