"""Checkpoints over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from starlette.responses import Response

from utp.api.checkpoints.schemas import CheckpointList
from utp.api.checkpoints.service import CheckpointService
from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.files.sending import IfRangeHeader, RangeHeader, send_file
from utp.api.routes import api_router

router = api_router("checkpoints", "/runs/{run_id}/checkpoints")

FilePath = Annotated[str, Path(pattern=r"^[0-9A-Za-z_][0-9A-Za-z_.@-]{0,199}$")]
BYTES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"application/octet-stream": {}}},
    206: {"description": "The part that was asked for.", "content": {"application/octet-stream": {}}},
    416: {"description": "The range lies behind the file's end."},
}


@router.get("", operation_id="list_checkpoints")
def list_checkpoints(services: ServicesDep, principal: PrincipalDep, run_id: IdPath) -> CheckpointList:
    """List the committed checkpoints of a run with their files."""
    return CheckpointService(services, principal).list_checkpoints(run_id)


@router.get("/{name}/files/{file}", operation_id="download_checkpoint_file", response_class=Response, responses=BYTES)
def download_checkpoint_file(
    services: ServicesDep,
    principal: PrincipalDep,
    run_id: IdPath,
    name: FilePath,
    file: FilePath,
    range_: RangeHeader = None,
    if_range: IfRangeHeader = None,
) -> Response:
    """Send a file of a checkpoint, or a part of it; `files` as name means those beside the checkpoints."""
    opened = CheckpointService(services, principal).open(run_id, name, file)
    return send_file(opened, file, "application/octet-stream", range_=range_, if_range=if_range)
