"""What commands ask of the platform, straight from the store on the head's machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from utp.cluster.demand import explain_unsatisfiable
from utp.cluster.store_nodes import read_nodes
from utp.config.placing import make_absolute
from utp.config.request import RunRequest
from utp.config.submission import check_submission
from utp.config.train import TrainConfig
from utp.errors import ConfigError
from utp.logs.pages import read_page, read_page_before
from utp.logs.places import find_log
from utp.settings import Settings
from utp.store.database import open_database
from utp.store.recorder import Recorder
from utp.store.recorder.housekeeping import Deletion
from utp.store.recorder.queueing import QueuedRun
from utp.store.repositories.agents import AgentRepository, AgentRow
from utp.store.repositories.projects import ProjectRepository, ProjectRow
from utp.store.repositories.run_queue import QueuedRow, QueueRepository
from utp.store.repositories.runs import RunDetail, RunRepository, RunRow
from utp.store.states import LIVE, RunState, Wish

POLL_S = 0.5


class LocalClient:
    """Opens the store. Raises `WrongRevision` where `utp up` has not made it yet."""

    def __init__(self, settings: Settings) -> None:
        self.settings = self._settings = settings
        self.database = self._database = open_database(settings)
        self._recorder = Recorder(self._database)
        self._runs = RunRepository(self._database)

    def submit(self, config: TrainConfig, request: RunRequest, *, project: str, owner: str) -> QueuedRun:
        """Queue a run. Raises `ConfigError` where no machine here could ever run it."""
        check_submission(config, request)
        if problem := explain_unsatisfiable(request, read_nodes(self._database)):
            raise ConfigError((problem,))
        return self._recorder.queue_run(
            make_absolute(config, self._settings), request, project=project, owner=owner, settings=self._settings
        )

    def list_runs(
        self, *, project: str | None, limit: int, states: Sequence[RunState] | None = None
    ) -> Sequence[RunRow]:
        """Return the newest runs."""
        return self._runs.list_runs(project=project, states=states, limit=limit)

    def get(self, run: str) -> RunDetail:
        """Return a run by id, beginning of its id, name or directory. Raises `RunNotFound`."""
        return self._runs.get(self._runs.find(run))

    def wish(self, run: str, wish: Wish, *, by: str) -> RunState:
        """Ask a run to stop or to pause. Raises `RunNotFound`, `AlreadyEnded`."""
        return self._recorder.set_wish(self._runs.find(run), wish, by=by)

    def resume(self, run: str) -> RunState:
        """Queue a paused, stopped or failed run again. Raises `RunNotFound`, `IllegalMove`."""
        return self._recorder.resume(self._runs.find(run))

    def retry(self, run: str) -> RunState:
        """Queue a failed or stopped run again. Raises `RunNotFound`, `IllegalMove`."""
        return self._recorder.retry(self._runs.find(run))

    def plan_deletion(self, run: str) -> Deletion:
        """Say what `delete` would remove. Raises `RunNotFound`."""
        return self._recorder.plan_deletion(self._runs.find(run))

    def delete(self, run_id: str) -> Deletion:
        """Remove a run with its files. Raises `RunNotFound`, `IllegalMove`, `OSError`."""
        return self._recorder.delete_run(run_id)

    def queue(self) -> Sequence[QueuedRow]:
        """Return the runs that wait, by priority and age."""
        return QueueRepository(self._database).queued()

    def agents(self) -> Sequence[AgentRow]:
        """Return the machines."""
        return AgentRepository(self._database).list_agents()

    def projects(self) -> Sequence[ProjectRow]:
        """Return the projects."""
        return ProjectRepository(self._database).list_projects()

    def set_project(self, name: str, *, description: str | None, max_gpus: int | None, is_unlimited: bool) -> None:
        """Add a project, or change what is given of it; `is_unlimited` takes its limit of GPUs away."""
        self._recorder.set_project(name, description=description, max_gpus=max_gpus, is_unlimited=is_unlimited)

    def last_log_lines(self, run: str, *, attempt: int | None, rank: int, num_lines: int | None) -> Iterable[str]:
        """Return the last lines of a rank's log, of the newest attempt without one named. Raises `RunNotFound`."""
        detail = self.get(run)
        chosen = attempt if attempt is not None else max(1, detail.attempt)
        path = self._find_log(detail, chosen, rank)
        if not path.is_file():
            known = f"it has attempts 1 to {detail.attempt}" if detail.attempt else "it has not begun"
            raise ConfigError(
                (f"attempt: {detail.name} has no log of rank {rank} in attempt {chosen}; it has {known}",)
            )
        return _all_lines(path) if num_lines is None else _last_lines(path, num_lines)

    def log_lines(self, run: str, *, is_followed: bool, sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
        """Yield the lines of the first rank's log, of all attempts; following, until the run has ended."""
        run_id = self._runs.find(run)
        attempt, offset = 1, 0
        while True:
            detail = self._runs.get(run_id)
            is_over = not is_followed or not (detail.state in LIVE or detail.state is RunState.QUEUED)
            is_past = is_over or attempt < detail.attempt
            page = read_page(self._find_log(detail, attempt, rank=0), offset)
            # A line whose newline has not come is given again, so it is taken once nothing is appended any more.
            lines = [line for line in page.lines if is_past or line.start < page.end]
            yield from (line.text for line in lines)
            offset = page.end
            if lines and lines[-1].start < page.end < page.size_bytes:
                continue
            if attempt < detail.attempt:
                attempt, offset = attempt + 1, 0
            elif is_over:
                return
            else:
                sleep(POLL_S)

    def _find_log(self, detail: RunDetail, attempt: int, rank: int) -> Path:
        return find_log(self._settings.home, detail.run_dir, detail.id, attempt, f"rank{rank}.log")


def _all_lines(path: Path) -> Iterator[str]:
    page = read_page(path, 0)
    while page.lines:
        yield from (line.text for line in page.lines)
        if page.lines[-1].start >= page.end:  # its newline has not come: it would be given again
            return
        page = read_page(path, page.end)


def _last_lines(path: Path, num_lines: int) -> list[str]:
    """Return the last lines, read from the end: a log may have many gigabytes."""
    page = read_page_before(path)
    lines = [line.text for line in page.lines]
    while len(lines) < num_lines and page.start > 0:
        page = read_page_before(path, page.start)
        lines[:0] = [line.text for line in page.lines]
    return lines[max(0, len(lines) - num_lines) :]
