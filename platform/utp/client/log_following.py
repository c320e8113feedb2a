"""A run's log as it is written: over a WebSocket, each line once, also where the connection is cut."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from utp.api.errors import Problem, status_problem
from utp.api.logs.schemas import LogPage
from utp.api.runs.schemas import Run
from utp.client.errors import ApiError, ServerUnreachable
from utp.client.transport import BACKOFF_S, PREFIX, Transport
from utp.store.states import LIVE, RunState

STREAM = "rank0.log"
PAGE_LINES = 5000
PATIENCE_S = 300.0
"""How long a server may be away before following gives up."""
PING_EVERY_S = 20.0
NOT_SIGNED_IN, FORBIDDEN = 4401, 4403


class LogFollower:
    """Yields the lines of a run's first rank, of all its attempts one after the other.

    Args:
        transport: to the API.
        run_id: of the run.
    """

    def __init__(self, transport: Transport, run_id: str) -> None:
        self._transport = transport
        self._run_id = run_id
        self._attempt = 1
        self._line = 0

    def lines(self, *, is_followed: bool) -> Iterator[str]:
        """Yield what is there; following, go on until the run has ended, is paused, or is a draft.

        Raises:
            ApiError: the run can't be read, or not any more.
            ServerUnreachable: the server is away for long.
        """
        failures, since = 0, time.monotonic()
        while True:
            run = self._transport.get(Run, f"/runs/{self._run_id}")
            while self._attempt < run.attempt:
                yield from self._rest()
                self._attempt, self._line = self._attempt + 1, 0
            if not is_followed or not _goes_on(run.state):
                if run.attempt:
                    yield from self._rest()
                return
            place = (self._attempt, self._line)
            try:
                yield from self._over_socket()
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
                _raise_if_refused(error)
                if place != (self._attempt, self._line):
                    failures, since = 0, time.monotonic()
                if time.monotonic() - since > PATIENCE_S:
                    raise ServerUnreachable(self._transport.url, str(error)) from error
                self._transport.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                failures += 1

    def _over_socket(self) -> Iterator[str]:
        """Yield lines of this attempt until the run leaves it, or the server says goodbye."""
        with self._connect() as socket:
            common = {"op": "sub", "run_id": self._run_id}
            socket.send(json.dumps({**common, "id": 1, "topic": "run"}))
            # The attempt is named: the next one is begun here, once this one's last line is read.
            place = {"attempt": self._attempt, "stream": STREAM, "from_line": self._line}
            socket.send(json.dumps({**common, "id": 2, "topic": "log", **place}))
            while True:
                try:
                    message = json.loads(socket.recv(timeout=PING_EVERY_S))
                except TimeoutError:
                    socket.send(json.dumps({"op": "ping"}))
                    message = json.loads(socket.recv(timeout=PING_EVERY_S))
                if message["type"] == "log":
                    yield from self._take(message["lines"])
                elif message["type"] == "mark":
                    socket.send(json.dumps({"op": "seen", "number": message["number"]}))
                elif message["type"] == "log_gap":
                    yield from self._rest(until=message["to_line"])
                elif message["type"] == "error":
                    problem = _read_problem(message["problem"])
                    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
                        raise TimeoutError(problem.detail)  # as over HTTP: the database is away for a while
                    raise ApiError(problem)
                elif message["type"] == "goodbye" or (message["type"] == "run" and self._has_left(message["run"])):
                    return

    def _connect(self) -> ClientConnection:
        url = self._transport.url.replace("http", "ws", 1) + f"{PREFIX}/ws"
        headers = {"Authorization": f"Bearer {self._transport.token}"}
        return connect(url, additional_headers=headers, subprotocols=[Subprotocol("utp.v1")], max_size=None)

    def _has_left(self, run: dict[str, Any]) -> bool:
        return int(run["attempt"]) > self._attempt or not _goes_on(RunState(run["state"]))

    def _take(self, lines: list[dict[str, Any]]) -> Iterator[str]:
        for line in lines:
            if line["line"] >= self._line:
                self._line = line["line"] + 1
                yield line["text"]

    def _rest(self, until: int | None = None) -> Iterator[str]:
        """Yield the lines of this attempt over HTTP, those before `until` or all that there are."""
        while until is None or self._line < until:
            page = self._read_page(PAGE_LINES if until is None else min(PAGE_LINES, until - self._line))
            if page is None or not page.lines:
                return
            yield from self._take([{"line": line.line, "text": line.text} for line in page.lines])

    def _read_page(self, limit: int) -> LogPage | None:
        place = {"attempt": self._attempt, "stream": STREAM, "start": self._line, "limit": limit}
        try:
            return self._transport.get(LogPage, f"/runs/{self._run_id}/logs", **place)
        except ApiError as error:
            if error.status == 404:
                return None  # an attempt that wrote nothing
            raise


def _goes_on(state: RunState) -> bool:
    return state in LIVE or state is RunState.QUEUED


def _raise_if_refused(error: Exception) -> None:
    """Raise `ApiError` where coming again would not help."""
    if isinstance(error, InvalidStatus) and 400 <= error.response.status_code < 500:
        raise ApiError(status_problem(error.response.status_code, "the WebSocket was refused")) from error
    if isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code in (NOT_SIGNED_IN, FORBIDDEN):
        raise ApiError(status_problem(error.rcvd.code - 4000, error.rcvd.reason)) from error


def _read_problem(document: dict[str, Any]) -> Problem:
    try:
        return Problem.model_validate(document)
    except ValidationError:
        return status_problem(500, str(document))
