"""Logs of runs, read from the files on this machine: they are there with the cluster down and after it is gone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydantic_core

from utp.api.logs.schemas import LogLine, LogMatch, LogMatches, LogPage, LogStream, LogStreams
from utp.api.runs.access import require_run
from utp.api.schemas import to_iso
from utp.api.security.permissions import Principal
from utp.api.services import Services
from utp.logs.line_facts import LogLevel
from utp.logs.line_index import LineIndexes
from utp.logs.numbered import NumberedLine, read_numbered, search
from utp.logs.places import find_log, list_logs, open_log
from utp.store.errors import NotFound
from utp.store.states import LIVE

INDEXES = LineIndexes()
"""Of this process: they only say again what the files say."""


@dataclass(frozen=True)
class FoundLog:
    """One log of a run that the principal may read."""

    attempt: int
    stream: str
    path: Path
    is_live: bool


class LogService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal

    def read_page(self, run_id: str, attempt: int | None, stream: str, start: int, limit: int) -> LogPage:
        """Return lines by number, from a negative `start` counted from the end. Raises `NotFound`."""
        log = self.find(run_id, attempt, stream)
        page = read_numbered(INDEXES.of(log.path), start, limit, is_live=log.is_live)
        return LogPage(
            attempt=log.attempt,
            stream=log.stream,
            start=page.start,
            num_lines=page.num_lines,
            size_bytes=page.size_bytes,
            lines=[to_line(line) for line in page.lines],
            is_live=log.is_live,
        )

    def list_streams(self, run_id: str) -> LogStreams:
        """Return all logs of a run. Raises `NotFound`."""
        run_dir = require_run(self._services, self._principal, run_id).run_dir
        items = []
        for place in list_logs(self._services.settings.home, run_dir, run_id):
            try:
                with INDEXES.of(place.path).opened() as file:
                    size_bytes, num_lines = file.size_bytes, file.num_lines
            except FileNotFoundError:
                continue  # a link, or removed since
            items.append(
                LogStream(attempt=place.attempt, stream=place.stream, size_bytes=size_bytes, num_lines=num_lines)
            )
        return LogStreams(items=items)

    def search(
        self,
        run_id: str,
        attempt: int | None,
        stream: str,
        *,
        text: str,
        level: LogLevel | None,
        before: int | None,
        limit: int,
    ) -> LogMatches:
        """Return the last lines that hold a text. Raises `NotFound`."""
        log = self.find(run_id, attempt, stream)
        found = search(INDEXES.of(log.path), text, level=level, before=before, limit=limit)
        items = [LogMatch(line=line.line, level=line.level, text=line.text) for line in found.lines]
        return LogMatches(items=items, total=found.total, is_complete=found.is_complete)

    def open(self, run_id: str, attempt: int | None, stream: str) -> tuple[BinaryIO, FoundLog]:
        """Return a log, opened, to be sent as it is. Raises `NotFound`."""
        log = self.find(run_id, attempt, stream)
        try:
            return open_log(log.path), log
        except FileNotFoundError as error:
            raise NotFound("log", f"{stream} of attempt {log.attempt}") from error

    def find(self, run_id: str, attempt: int | None, stream: str) -> FoundLog:
        """Return where a log is; none of a live attempt may be missing yet. Raises `NotFound`.

        Args:
            run_id: of the run.
            attempt: its number; None: the newest.
            stream: file name.
        """
        place = require_run(self._services, self._principal, run_id)
        newest = max(place.attempt, 1)
        attempt = newest if attempt is None else attempt
        path = find_log(self._services.settings.home, place.run_dir, run_id, attempt, stream)
        is_live = attempt == newest and (place.state in LIVE or place.attempt == 0)
        if attempt > newest or not (is_live or path.is_file()):
            raise NotFound("log", f"{stream} of attempt {attempt}")
        return FoundLog(attempt, stream, path, is_live)


def to_line_json(line: NumberedLine) -> str:
    """Return a line as JSON, without a model: a flood brings tens of thousands a second."""
    level = None if line.level is None else str(line.level)
    at = None if line.at is None else to_iso(line.at)
    return pydantic_core.to_json({"line": line.line, "at": at, "level": level, "text": line.text}).decode()


def to_line(line: NumberedLine) -> LogLine:
    """Return a line as it is sent."""
    return LogLine(line=line.line, at=line.at, level=line.level, text=line.text)
