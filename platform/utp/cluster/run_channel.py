"""`RunChannel`: all that a worker may say to the head. Every call may be repeated, so that a lost answer costs nothing.

A proxy to an actor raises `ConnectionError` where the head can't be reached or does not answer in time; the worker goes
on training and says it again later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypedDict


class RegisteredRun(TypedDict):
    """What a job that nobody queued is told when it registers."""

    run_id: str
    attempt: int
    run_dir: str
    checkpoint_dir: str


class RunChannel(Protocol):
    """Who takes a worker's news."""

    def register(self, config_json: str, request_json: str, submission_id: str) -> RegisteredRun:
        """Record a job that came by `ray job submit`; the same `submission_id` gets the same run."""
        ...

    def started(self, run_id: str, attempt: int, facts: Mapping[str, Any]) -> bool:
        """Say that training begins: `host`, `pid`, `start_step`, `total_steps`, `epochs`. False: superseded."""
        ...

    def beat(self, run_id: str, attempt: int, step: int, epoch: int, phase: str) -> str | None:
        """Say that it is alive, every 2 s; return what is wished: `none`, `stop`, `pause` or `preempt`.

        None: superseded or ended. The worker has to save nothing more and leave.
        """
        ...

    def take(self, run_id: str, attempt: int, stream: str, offset: int, data: bytes) -> int | None:
        """Take a piece of one of the attempt's files, by its name; return the offset to go on from, or None as above.

        The offset is that behind the piece; an earlier one where bytes are missing on the head.
        """
        ...

    def ended(self, run_id: str, attempt: int, result: Mapping[str, Any]) -> None:
        """Say how the attempt ended: the content of its `result.json`."""
        ...
