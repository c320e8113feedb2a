"""Turns what endpoints raise into problem documents."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from utp.api.errors import (
    MAX_SHOWN,
    MEDIA_TYPE,
    RETRY_AFTER_S,
    FieldProblem,
    Problem,
    internal_problem,
    invalid_problem,
    problem_of,
    status_problem,
)
from utp.errors import UtpError

_log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""
    app.add_exception_handler(UtpError, _on_utp_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(OSError, _on_storage_trouble)
    app.add_exception_handler(Exception, _on_bug)


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response of a problem document."""
    return Response(problem.model_dump_json(exclude_none=True), problem.status, headers, MEDIA_TYPE)


async def _on_utp_error(_request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem.status >= 500:
        _log.error("request failed: %s", error, exc_info=error if problem.status == 500 else None)
    retry_after_s = next((RETRY_AFTER_S[kind] for kind in type(error).__mro__ if kind in RETRY_AFTER_S), None)
    return problem_response(problem, {} if retry_after_s is None else {"Retry-After": str(retry_after_s)})


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(invalid_problem([_describe(one) for one in error.errors()]))


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_response(status_problem(error.status_code, str(error.detail)), error.headers)


async def _on_storage_trouble(_request: Request, error: Exception) -> Response:
    """Answer for a disk that fails under an endpoint; what it says names paths, so only its kind is told."""
    assert isinstance(error, OSError)
    _log.error("a file could not be used: %s", error, exc_info=error)
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    problem = status_problem(507 if is_full else 503, f"the server's storage failed: {error.strerror}", "see its log")
    return problem_response(problem, {} if is_full else {"Retry-After": "5"})


async def _on_bug(_request: Request, _error: Exception) -> Response:
    return problem_response(internal_problem())


def _describe(error: Mapping[str, object]) -> FieldProblem:
    location = error["loc"]
    assert isinstance(location, tuple)
    field = ".".join(str(part) for part in location[1:]) or str(location[0])
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should", "should")
    value = error.get("input")
    shown = value if isinstance(value, int | float | None) else str(value)[:MAX_SHOWN]
    return FieldProblem(field=field, value=shown, message=message)
