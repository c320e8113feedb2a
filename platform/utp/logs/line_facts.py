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
_LEVEL_WORDS = ("INFO", "WARN", "ERROR", "DEBUG", "CRITICAL", "FATAL")
_RAISED_WORDS = ("Error", "Exception", "Interrupt", "Traceback")
"""Most lines hold none of them, which is known in a tenth of the time that the patterns take."""
_SAME = {"warn": "warning", "fatal": "critical"}
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
    found = _STAMP.match(text)
    if found is None:
        return None
    try:
        return datetime.fromisoformat(found[1].replace(",", ".")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def level_of(text: str) -> LogLevel | None:
    """Return how serious a line is, None where it does not say. A traceback and the error it ends in are `error`."""
    head = text[: 2 * _HEAD]
    head = (_COLOUR.sub("", head) if "\x1b" in head else head)[:_HEAD]
    if any(word in head for word in _LEVEL_WORDS) and (found := _LEVEL.search(head)):
        level = found[1].lower()
        return LogLevel(_SAME.get(level, level))
    return LogLevel.ERROR if any(word in head for word in _RAISED_WORDS) and _RAISED.match(head) else None
