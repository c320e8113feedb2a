"""Logs over HTTP."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import Query, Response

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.files.sending import IfRangeHeader, RangeHeader, send_file
from utp.api.logs.schemas import LogMatches, LogPage, LogStreams, Stream
from utp.api.logs.service import LogService
from utp.api.routes import api_router
from utp.logs.line_facts import LogLevel
from utp.logs.shortening import zeros_of_hole

MAX_LINES = 5000
MAX_MATCHES = 1000
FIRST_RANK = "rank0.log"
_MAX_LINE_NUMBER = 2**53
"""What JavaScript still counts exactly."""

router = api_router("logs", "/runs/{run_id}/logs")

Attempt = Annotated[int | None, Query(ge=1, le=1_000_000, description="Left out: the newest.")]
StreamQuery = Annotated[Stream, Query()]


@router.get("", operation_id="get_log_page")
def get_log_page(
    services: ServicesDep,
    principal: PrincipalDep,
    run_id: IdPath,
    attempt: Attempt = None,
    stream: StreamQuery = FIRST_RANK,
    start: Annotated[
        int, Query(ge=-_MAX_LINE_NUMBER, le=_MAX_LINE_NUMBER, description="Line; negative: counted from the end.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_LINES)] = 1000,
) -> LogPage:
    """Return lines of a log by their number."""
    return LogService(services, principal).read_page(run_id, attempt, stream, start, limit)


@router.get("/streams", operation_id="list_log_streams")
def list_log_streams(services: ServicesDep, principal: PrincipalDep, run_id: IdPath) -> LogStreams:
    """List the logs of all attempts."""
    return LogService(services, principal).list_streams(run_id)


@router.get("/search", operation_id="search_log")
def search_log(
    services: ServicesDep,
    principal: PrincipalDep,
    run_id: IdPath,
    attempt: Attempt = None,
    stream: StreamQuery = FIRST_RANK,
    q: Annotated[str, Query(max_length=1000, description="Text; case of ASCII letters ignored.")] = "",
    level: LogLevel | None = None,
    before: Annotated[int | None, Query(ge=0, le=_MAX_LINE_NUMBER, description="Only lines before this one.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_MATCHES)] = 100,
) -> LogMatches:
    """Find lines, from the end of the log backwards."""
    service = LogService(services, principal)
    return service.search(run_id, attempt, stream, text=q, level=level, before=before, limit=limit)


@router.get(
    "/download",
    operation_id="download_log",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, 206: {"content": {"text/plain": {}}}, 416: {}},
)
def download_log(
    services: ServicesDep,
    principal: PrincipalDep,
    run_id: IdPath,
    attempt: Attempt = None,
    stream: StreamQuery = FIRST_RANK,
    range_: RangeHeader = None,
    if_range: IfRangeHeader = None,
) -> Response:
    """Send a log as it was written, whole or a range; without the zeros in the place of what a long one has dropped."""
    file, log = LogService(services, principal).open(run_id, attempt, stream)
    name = f"{run_id}-a{log.attempt}-{stream}"
    zeros = zeros_of_hole(file.fileno(), os.fstat(file.fileno()).st_size)
    return send_file(file, name, "text/plain; charset=utf-8", range_=range_, if_range=if_range, left_out=zeros)
