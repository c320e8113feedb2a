"""`ClientRun`: one run, as a notebook holds it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from utp.api.checkpoints.schemas import Checkpoint, CheckpointFile, CheckpointList
from utp.api.metrics.schemas import CurveList
from utp.api.runs.schemas import Run, RunDetail
from utp.client.log_following import LogFollower
from utp.client.tables import table_of
from utp.client.transport import Transport
from utp.store.states import LIVE, RunState

POLL_S = 1.0
BEST, LAST = "best", "last"


class ClientRun:
    """A run of the server; `state` and what else it says is of the last call that asked.

    Args:
        transport: to the API.
        run: what was read.
    """

    def __init__(self, transport: Transport, run: Run) -> None:
        self._transport = transport
        self.run = run
        """As it was read last."""

    def __repr__(self) -> str:
        return f"<run {self.run.name}: {self.run.state}>"

    @property
    def id(self) -> str:
        """32 hex characters."""
        return self.run.id

    @property
    def name(self) -> str:
        """Unique in its directory."""
        return self.run.name

    @property
    def state(self) -> RunState:
        """As it was read last."""
        return self.run.state

    def refresh(self) -> Run:
        """Read it anew."""
        self.run = self._transport.get(Run, f"/runs/{self.id}")
        return self.run

    def detail(self) -> RunDetail:
        """Return everything: config, request, attempts, cause of a failure."""
        return self._transport.get(RunDetail, f"/runs/{self.id}")

    def lines(self, *, is_followed: bool = False) -> Iterator[str]:
        """Yield the lines of its log, all attempts; following, until it has ended or is paused."""
        return LogFollower(self._transport, self.id).lines(is_followed=is_followed)

    def follow(self, show: Callable[[str], object] = lambda line: sys.stdout.write(f"{line}\n")) -> Run:
        """Show the log until the run has ended or is paused, and return the run as it is then."""
        for line in self.lines(is_followed=True):
            show(line)
        return self.refresh()

    def wait(self, timeout_s: float | None = None) -> Run:
        """Return the run once it has ended or is paused. Raises `TimeoutError` after so many seconds."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while (run := self.refresh()).state in LIVE or run.state is RunState.QUEUED:
            if until is not None and time.monotonic() + POLL_S > until:
                raise TimeoutError(f"run {run.name} is still {run.state} after {timeout_s} s")
            self._transport.sleep(POLL_S)
        return run

    def metrics(self, *names: str, max_points: int = 10_000) -> Any:
        """Return its curves, all or those named, as a DataFrame indexed by step (see `tables.py` without pandas)."""
        return table_of(self.curves(*names, max_points=max_points).items)

    def curves(self, *names: str, max_points: int = 10_000) -> CurveList:
        """Return its curves as the API sends them."""
        query = {"run_ids": self.id, "names": ",".join(names) or "*", "max_points": max_points}
        return self._transport.get(CurveList, "/metrics", **query)

    def checkpoints(self) -> CheckpointList:
        """Return its committed checkpoints with their files, and the files beside them."""
        return self._transport.get(CheckpointList, f"/runs/{self.id}/checkpoints")

    def download_checkpoint(self, folder: Path | str, checkpoint: str = BEST) -> Path:
        """Save the files of a checkpoint, by its name, or the `best` or `last` one; return its folder.

        A file that was cut off goes on where it stopped.
        """
        found = self._choose(checkpoint)
        target = Path(folder) / found.name
        target.mkdir(parents=True, exist_ok=True)
        for file in found.files:
            self._download(file, target / Path(file.name).name)
        return target

    def stop(self) -> Run:
        """Have it save and stop."""
        return self._act("stop")

    def pause(self) -> Run:
        """Have it save and give its machines back."""
        return self._act("pause")

    def resume(self) -> Run:
        """Queue it again; it goes on from its newest checkpoint."""
        return self._act("resume")

    def retry(self) -> Run:
        """Queue it again after it failed or was stopped."""
        return self._act("retry")

    def clone(self) -> ClientRun:
        """Queue a new run with the same config and request."""
        return ClientRun(self._transport, self._transport.post(Run, f"/runs/{self.id}/clone"))

    def update(self, **changes: Any) -> RunDetail:
        """Change `tags`, `notes`, `priority`, `group_id` or `is_archived`."""
        return self._transport.edit(RunDetail, f"/runs/{self.id}", changes)

    def delete(self) -> None:
        """Remove it with its files, for good."""
        self._transport.delete(f"/runs/{self.id}")

    def _act(self, action: str) -> Run:
        self.run = self._transport.post(Run, f"/runs/{self.id}/{action}")
        return self.run

    def _choose(self, name: str) -> Checkpoint:
        known = self.checkpoints().items
        chosen = [one for one in known if one.name == name or (name == BEST and one.is_best)]
        if name == LAST or (name == BEST and not chosen):
            chosen = known[-1:]
        if not chosen:
            names = ", ".join(one.name for one in known) or "none yet"
            raise LookupError(f"run {self.name} has no checkpoint {name!r}; it has: {names}")
        return chosen[-1]

    def _download(self, file: CheckpointFile, target: Path) -> None:
        part = target.with_name(f"{target.name}.part")
        have = part.stat().st_size if part.exists() else 0
        if have > file.size_bytes:
            part.unlink()
            have = 0
        if have < file.size_bytes or not have:
            with self._transport.stream(file.url, have) as answer, part.open("ab") as out:
                if have and answer.status_code != 206:
                    out.truncate(0)
                for piece in answer.iter_bytes():
                    out.write(piece)
        if part.stat().st_size != file.size_bytes:
            raise OSError(f"{file.name} has {part.stat().st_size} bytes in place of {file.size_bytes}; try again")
        part.replace(target)
