"""What the API refuses, and a server that does not answer."""

from __future__ import annotations

from utp.api.errors import Problem
from utp.errors import FailureKind, UtpError


class ApiError(UtpError):
    """The API's own words: `problem` is the document that it sent, with the fields that are wrong."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem
        self.kind = FailureKind.USER_ERROR if problem.status < 500 else FailureKind.INTERNAL

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    def __str__(self) -> str:
        way_out = f"; {self.problem.way_out}" if self.problem.way_out else ""
        fields = [
            "  - " + "; ".join(filter(None, (f"{error.field}: {error.message}", error.way_out)))
            for error in self.problem.errors or ()
        ]
        return "\n".join((f"{self.problem.detail}{way_out}", *fields))


class ServerUnreachable(UtpError):
    """Nobody answers, or what answers is no such API."""

    kind = FailureKind.USER_ERROR

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.url} does not answer ({self.reason}); is the dashboard up (`utp status`), is the address right?"
