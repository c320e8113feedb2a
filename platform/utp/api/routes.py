"""`ThreadRoute`: an endpoint in a thread, and its answer made out without a second one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool


class ThreadRoute(APIRoute):
    """What FastAPI does with a plain function, but for checking the answer, which takes a thread of its own there.

    Our answers are models that were checked when they were made, so nothing is left to do but to look at their type.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint if iscoroutinefunction(endpoint) else _in_thread(endpoint), **options)


def _in_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    async def call(**given: Any) -> Any:
        return await run_in_threadpool(endpoint, **given)

    return call
