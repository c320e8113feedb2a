"""A head that is a plain object in the worker's own process: it can be away, wish for something, or go on without."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from utp.cluster.run_channel import RegisteredRun


class FakeHead:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.wish: str | None = "none"
        self.is_away = False
        self.beaten = threading.Event()
        self.files: dict[str, bytearray] = {}

    def register(self, config_json: str, request_json: str, submission_id: str) -> RegisteredRun:
        raise NotImplementedError

    def started(self, run_id: str, attempt: int, facts: Mapping[str, Any]) -> bool:
        self._answer("started", run_id, attempt, facts)
        return self.wish is not None

    def beat(self, run_id: str, attempt: int, step: int, epoch: int, phase: str) -> str | None:
        self._answer("beat", run_id, attempt, step, epoch, phase)
        self.beaten.set()
        return self.wish

    def take(self, run_id: str, attempt: int, stream: str, offset: int, data: bytes) -> int | None:
        self._answer("take", stream, offset, data)
        kept = self.files.setdefault(stream, bytearray())
        kept[offset:] = data
        return len(kept)

    def ended(self, run_id: str, attempt: int, result: Mapping[str, Any]) -> None:
        self._answer("ended", run_id, attempt, result)

    def _answer(self, *call: Any) -> None:
        if self.is_away:
            raise ConnectionError("nobody there")
        self.calls.append(call)
