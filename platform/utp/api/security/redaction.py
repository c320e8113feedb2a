"""Keeps secrets out of logs, tracebacks included."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

_SECRETS = re.compile(
    r"(?P<own>utp[ls]?_[A-Za-z0-9_-]{8})[A-Za-z0-9_-]+"
    r"|(?P<bearer>[Bb]earer\s+)[^\s\"',]+"
    r"|(?P<ray>ray-authentication-token=)[^\s;\"',]+"
    r"|(?P<url>://[^/\s:@]+:)[^@\s/]+(?=@)"
)
LOGGERS = ("", "uvicorn", "uvicorn.error", "uvicorn.access", "ray.serve")


class RedactingFormatter(logging.Formatter):
    """Another formatter, its output redacted."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without secrets."""
        return redact(self._inner.format(record))


def redact(text: str) -> str:
    """Return the text without its secrets; the first characters of our own stay, to tell them apart."""
    return _SECRETS.sub(lambda match: f"{next(one for one in match.groups() if one is not None)}***", text)


def redact_logs(names: Iterable[str] = LOGGERS) -> None:
    """Redact what the handlers of these loggers write, also when called again."""
    for name in names:
        for handler in logging.getLogger(name).handlers:
            if not isinstance(handler.formatter, RedactingFormatter):
                handler.setFormatter(RedactingFormatter(handler.formatter or logging.Formatter()))
