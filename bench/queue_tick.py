"""One step of the dispatcher over a long queue: `python bench/queue_tick.py [--queued 10000] [--finished 10000]`.

A real SQLite store, a Ray that takes every job, and as many cores as there are active runs, so that nothing can start:
the step that a full cluster makes every second. Prints the steps after everything was told why it waits, those after
which a run has ended and the next one starts, and how much memory they cost. The goal is below 100 ms.
CPU time stands beside wall time: on a machine that does other work only the former says something.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
from sqlalchemy import insert, select

from utp.cluster.dispatcher import Dispatcher
from utp.cluster.inventory import NodeState
from utp.cluster.job_client import JobReport, JobStatus, RayJob
from utp.cluster.waiting_queue import MAX_TOLD
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import Settings
from utp.store.database import Database, Transaction
from utp.store.engines import database_url, open_engine
from utp.store.ids import new_id
from utp.store.recorder import Recorder
from utp.store.repositories.run_queue import QueueRepository
from utp.store.states import Outcome, RunState
from utp.store.tables.run import Run
from utp.store.upgrade import upgrade

ROUNDS = 20
NUM_CORES = 64
CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)


class WillingRay:
    """Takes every job, and says of each that it runs."""

    def submit(self, spec: RayJob) -> None: ...

    def report(self, submission_id: str) -> JobReport:
        return JobReport(JobStatus.RUNNING)

    def stop(self, submission_id: str) -> None: ...

    def delete(self, submission_id: str) -> None: ...

    def list_ours(self) -> Mapping[str, JobStatus]:
        return {}


class OneMachine:
    """A machine with so many cores, all of them free as far as Ray knows."""

    def nodes(self) -> Sequence[NodeState]:
        memory = 64 * 10**9
        return [
            NodeState(node_id="a", hostname="a", address="127.0.0.1", cpus_total=NUM_CORES, cpus_free=NUM_CORES,
                      memory_total_bytes=memory, memory_free_bytes=memory)
        ]  # fmt: skip


def fill(database: Database, settings: Settings, num_queued: int, num_finished: int) -> None:
    """Copy one queued run: through the recorder 20,000 runs with their directories would take minutes."""
    first = Recorder(database).queue_run(CONFIG, RunRequest(), settings=settings)

    def work(tx: Transaction) -> None:
        row = dict(tx.connection.execute(select(Run.__table__).where(Run.id == first.id)).mappings().one())
        rows = []
        for index in range(num_queued + num_finished):
            state = RunState.QUEUED if index < num_queued else RunState.SUCCEEDED
            own = {"id": new_id(), "name": f"r{index}", "run_dir": f"/r/{index}", "checkpoint_dir": f"/c/{index}"}
            request = {"num_workers": 1 + index % 3, "priority": index % 5, "cpus_per_worker": 1 + index % 4}
            place = {"queued_seq": index + 10, "owner": f"user{index % 40}", "priority": index % 5}
            rows.append({**row, **own, **place, "state": state, "request": request})
        tx.connection.execute(insert(Run), rows)

    database.write(work)


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU milliseconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)


def timed_after_an_end(dispatcher: Dispatcher, queue: QueueRepository, recorder: Recorder) -> tuple[float, float]:
    """Time a step before which an active run has ended: others start, and nearly all of the queue is told so."""
    oldest = queue.active()[0]
    recorder.end_attempt(oldest.run_id, oldest.attempt, outcome=Outcome.SUCCEEDED)
    return timed(dispatcher.step)


def tell(what: str, steps: Sequence[tuple[float, float]]) -> None:
    wall, cpu = zip(*steps, strict=True)
    print(f"{what:32} {statistics.median(cpu):6.1f} ms CPU, worst {max(cpu):6.1f}; "
          f"{statistics.median(wall):6.1f} ms wall, worst {max(wall):6.1f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queued", type=int, default=10_000)
    parser.add_argument("--finished", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        names = ("DATASETS_DIR", "SHARED_LOGS_DIR", "UTP_HOME")
        settings = Settings.model_validate({name: Path(folder) / name for name in names})
        settings.home.mkdir()
        database = Database(open_engine(database_url(settings)))
        upgrade(database)
        fill(database, settings, arguments.queued, arguments.finished)
        queue, recorder = QueueRepository(database), Recorder(database)
        dispatcher = Dispatcher(queue, recorder, WillingRay(), OneMachine(), lambda row, result: None, env={})
        print(f"{arguments.queued} queued, {arguments.finished} finished, load {os.getloadavg()[0]:.1f}")
        first = timed(dispatcher.step)
        print(f"first step {first[0]:.0f} ms wall, {first[1]:.0f} ms CPU; {len(queue.active())} runs started")
        telling = [timed(dispatcher.step) for _ in range(arguments.queued // MAX_TOLD)]
        assert all(row.wait_reason for row in queue.changes(None).rows)
        tell("telling 200 runs why they wait", telling)
        before = psutil.Process().memory_info().rss
        steps = [timed(dispatcher.step) for _ in range(ROUNDS)]
        tell("nothing has changed", steps)
        starting = [timed_after_an_end(dispatcher, queue, recorder) for _ in range(ROUNDS)]
        tell("a run has ended, others start", starting)
        grown_mb = (psutil.Process().memory_info().rss - before) / 1e6
        print(f"memory grew by {grown_mb:.1f} MB over {2 * ROUNDS} steps")
        print(json.dumps({"queued": arguments.queued, "cpu_ms": statistics.median(step[1] for step in steps)}))
        database.close()


if __name__ == "__main__":
    main()
