"""Bodies of logs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from utp.api.schemas import Answer, Time
from utp.logs.line_facts import LogLevel

Stream = Annotated[str, Field(pattern=r"^(?:rank[0-9]{1,5}|job)\.log$")]
"""Name of a log: `rank0.log` is that of the first worker."""


class LogLine(Answer):
    """One line."""

    line: int
    """Its number, from 0."""
    at: Time | None
    """When it was written, where it says so with its offset from UTC."""
    level: LogLevel | None
    text: str
    """May hold ANSI colours; no other control characters."""


class LogPage(Answer):
    """Lines that follow each other."""

    attempt: int
    stream: str
    start: int
    """Number of the first line; of the next one that comes, where there is none."""
    num_lines: int
    size_bytes: int
    lines: list[LogLine]
    """Fewer than were asked for where they are long."""
    is_live: bool
    """Whether more may come."""


class LogStream(Answer):
    """One log of a run."""

    attempt: int
    stream: str
    size_bytes: int
    num_lines: int


class LogStreams(Answer):
    """All logs of a run, by attempt and rank."""

    items: list[LogStream]


class LogMatch(Answer):
    """A line that was searched for."""

    line: int
    level: LogLevel | None
    text: str


class LogMatches(Answer):
    """What a search found."""

    items: list[LogMatch]
    """The last ones, by number; `before` of the first goes on backwards."""
    total: int
    """Lines found in what was looked through."""
    is_complete: bool
    """Whether all of the log was looked through."""
