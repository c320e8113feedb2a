"""When a line of a log was written and how serious it is, where the line says so."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum


class LogLevel(StrEnum):
    """How serious a line is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_STAMP = re.compile(r"\s*\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:?\d\d))")
"""With its offset from UTC: without one nobody knows where the worker's clock stands."""
_LEVEL = re.compile(r"\b(DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b")
_RAISED = re.compile(r"Traceback \(most recent call last\)|[\w.]*(?:Error|Exception|Interrupt)\b(?::|$)")
_LEVELS = {level.name: level for level in LogLevel} | {"WARN": LogLevel.WARNING, "FATAL": LogLevel.CRITICAL}
LEVEL_HINTS = {
    LogLevel.DEBUG: re.compile(rb"DEBUG"),
    LogLevel.INFO: re.compile(rb"INFO"),
    LogLevel.WARNING: re.compile(rb"WARN"),
    LogLevel.ERROR: re.compile(rb"ERROR|Error|Exception|Interrupt|Traceback"),
    LogLevel.CRITICAL: re.compile(rb"CRITICAL|FATAL"),
}
"""Of what every line of a level holds one."""
_HEAD = 80
"""Characters of a line in which its level stands."""


def written_at(text: str) -> datetime | None:
    """Return when the line was written, in UTC; None where it does not begin with a time and its offset from UTC."""
    if (found := _STAMP.match(text)) is None:
        return None
    try:
        return datetime.fromisoformat(found[1].replace(",", ".")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def level_of(text: str) -> LogLevel | None:
    """Return how serious a line is, None where it does not say. A traceback and the error it ends in are `error`."""
    head = text[: 2 * _HEAD]
    head = (_COLOUR.sub("", head) if "\x1b" in head else head)[:_HEAD]
    if _may_name_level(head) and (found := _LEVEL.search(head)):
        return _LEVELS[found[1]]
    return LogLevel.ERROR if _may_be_raised(head) and _RAISED.match(head) else None


def _may_name_level(head: str) -> bool:
    """Say no in a tenth of the time that the pattern takes, as for most lines; in half of it by `or`, not by `any`."""
    return (
        "INFO" in head or "WARN" in head or "ERROR" in head or "DEBUG" in head or "CRITICAL" in head or "FATAL" in head
    )


def _may_be_raised(head: str) -> bool:
    return "Error" in head or "Exception" in head or "Interrupt" in head or "Traceback" in head
