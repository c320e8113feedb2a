"""A dispatcher on a real SQLite store, with machines of a test and a Ray that the test plays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.fake_jobs import FakeJobClient
from tests.support.machines import node

from utp.cluster.attempt_result import record_result
from utp.cluster.dispatcher import Dispatcher
from utp.cluster.inventory import NodeState
from utp.cluster.limits import Policy
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import Settings
from utp.store.database import Database
from utp.store.engines import database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.repositories.run_queue import ActiveRow, QueueRepository
from utp.store.states import RunState
from utp.store.tables.job import Job
from utp.store.tables.run import Run
from utp.store.upgrade import upgrade

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)


@dataclass
class Machines:
    """An inventory that a test writes; Ray gives everything to whom the store names."""

    states: Sequence[NodeState] = field(default_factory=lambda: [node("a", cpus=2)])

    def nodes(self) -> Sequence[NodeState]:
        return self.states


class Stage:
    """Everything a dispatcher sees, and the hands that move it."""

    def __init__(self, folder: Path, policy: Policy | None = None) -> None:
        names = ("DATASETS_DIR", "SHARED_LOGS_DIR", "UTP_HOME")
        self.settings = Settings.model_validate({name: folder / name for name in names})
        self.settings.home.mkdir(parents=True)
        self.now = 1_000_000.0
        self.database = Database(open_engine(database_url(self.settings)), clock=lambda: self.now)
        upgrade(self.database)
        self.recorder = Recorder(self.database)
        self.jobs = FakeJobClient()
        self.machines = Machines()
        self.policy = policy
        self.is_head_there = True
        self.restart()

    def restart(self) -> None:
        """Put a new dispatcher in the place of the old one, which remembers nothing."""
        self.queue = QueueRepository(self.database)
        self.dispatcher = Dispatcher(
            self.queue, self.recorder, self.jobs, self.machines, self.take_result,
            env={}, policy=self.policy, is_head_there=lambda: self.is_head_there, clock=lambda: self.now,
        )  # fmt: skip

    def take_result(self, row: ActiveRow, result: object) -> None:
        record_result(self.recorder, row.run_id, row.attempt, result)  # type: ignore[arg-type]

    def submit(self, **request: object) -> str:
        queued = self.recorder.queue_run(
            CONFIG, RunRequest(**request), settings=self.settings  # type: ignore[arg-type]
        )  # fmt: skip
        return queued.id

    def step(self, after_s: float = 0.0) -> None:
        self.now += after_s
        self.dispatcher.step()

    def watch(self, for_s: float) -> None:
        """Let time pass with a dispatcher that steps all the while."""
        while for_s > 0:
            self.step(min(5.0, for_s))
            for_s -= 5.0

    def run(self, run_id: str) -> Run:
        with self.database.read() as connection:
            return connection.execute(Run.__table__.select().where(Run.id == run_id)).one()  # type: ignore[return-value]

    def attempts(self, run_id: str) -> list[Job]:
        with self.database.read() as connection:
            return connection.execute(Job.__table__.select().where(Job.run_id == run_id).order_by("attempt")).all()  # type: ignore[return-value]

    def state(self, run_id: str) -> RunState:
        return self.run(run_id).state

    def job_id(self, run_id: str) -> str:
        return f"run-{run_id}-a{self.run(run_id).attempt}"

    def begin(self, run_id: str) -> None:
        """Have Ray start the job, and its worker tell its plan."""
        self.jobs.run(self.job_id(run_id))
        self.recorder.mark_running(
            run_id, self.run(run_id).attempt, host="a", pid=1, start_step=0, total_steps=100, epochs=1
        )

    def beat(self, run_id: str, step: int = 1) -> object:
        return self.recorder.beat(run_id, self.run(run_id).attempt, step=step, epoch=0)

    def write_result(self, run_id: str, **result: object) -> None:
        """Have the worker write its last word, and nothing more."""
        run = self.run(run_id)
        folder = Path(run.run_dir) / "attempts" / str(run.attempt)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "result.json").write_text(json.dumps(result))
