"""`RunClient`: what `utp run` asks of the platform, be it the store on this machine or a server elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.store.recorder.queueing import QueuedRun
from utp.store.repositories.runs import RunDetail, RunRow
from utp.store.states import RunState, Wish


class RunClient(Protocol):
    """Filled by `LocalClient` and `RemoteClient`."""

    def submit(self, config: TrainConfig, request: RunRequest, *, project: str, owner: str) -> QueuedRun:
        """Queue a run. Raises `ConfigError` where no machine could ever run it."""
        ...

    def list_runs(
        self, *, project: str | None, limit: int, states: Sequence[RunState] | None = None
    ) -> Sequence[RunRow]:
        """Return the newest runs."""
        ...

    def get(self, run: str) -> RunDetail:
        """Return a run by its id, its name, or the beginning of either. Raises `RunNotFound`."""
        ...

    def wish(self, run: str, wish: Wish, *, by: str) -> RunState:
        """Ask a run to stop or to pause."""
        ...

    def resume(self, run: str) -> RunState:
        """Queue a paused, stopped or failed run again."""
        ...

    def retry(self, run: str) -> RunState:
        """Queue a failed or stopped run again."""
        ...

    def last_log_lines(self, run: str, *, attempt: int | None, rank: int, num_lines: int | None) -> Iterable[str]:
        """Return the last lines of a rank's log, of the newest attempt without one named."""
        ...

    def log_lines(self, run: str, *, is_followed: bool) -> Iterator[str]:
        """Yield the lines of the first rank's log, of all attempts; following, until the run has ended."""
        ...
