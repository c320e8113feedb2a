"""Metrics in and out, lists of runs: `python bench/metric_intake.py [--mlflow-python PYTHON] [--postgres URL]`.

Beside it, in turns, MLflow's own SQLite store in a process of its own where PYTHON can import it, and
the limit, records of 16 bytes appended to a file per run. Every figure is the median of several calls, in wall time and
in CPU time of the process, which a loaded machine changes less. MLflow takes at most 1000 points a call, so both get
1000, one metric of one run, made before the clock runs. A list of runs is measured twice: as the SDK gives it, beside
MLflow's runs as `create_run` leaves them; and as the page gets it, where all have a config, which MLflow calls
parameters, and eight final metrics.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import Settings
from utp.store.database import Database
from utp.store.engines import database_url, open_engine
from utp.store.ids import new_id
from utp.store.recorder import Recorder
from utp.store.repositories.curves import CurveRepository
from utp.store.repositories.run_lists import RunFilter, RunLists
from utp.store.repositories.runs import RunRepository
from utp.store.states import RunState
from utp.store.tables import Run
from utp.store.upgrade import upgrade

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)
STEPS = 10_000

WRITES = {"write 1000 points": 1000, "write 100 points": 100, "write 1 point": 1}
READ = "read a curve of 10,000"
NEWEST, CONFIGURED = "newest 50 runs, MLflow's bare", "newest 50 runs, all with config, metrics"
QUEUE = "queue a run, MLflow: create one"
CALLS = {**dict.fromkeys(WRITES, 10), READ: 10, NEWEST: 100, CONFIGURED: 20, QUEUE: 25}
"""What both do, and how often."""
BLOCK = 5
"""Calls before it is the other's turn."""
REPEATABLE = (READ, NEWEST, CONFIGURED)
"""Calls that change nothing."""
WARM_UP_S = 0.02
"""Spent on such a call before a turn: by then caches and clock of a processor are its own, however short the call."""

MLFLOW = """
import json, sys, time
from mlflow.entities import Metric, Param, ViewType
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
folder, num_runs, parameters = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
store = SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", folder)
bare, configured = store.create_experiment("bare"), store.create_experiment("configured")
def new_run(experiment=bare):
    return store.create_run(experiment, "me", int(time.time() * 1000), [], "run").info.run_id
def points(first, count):
    return [Metric("loss", step / 7, int(time.time() * 1000) + step, step) for step in range(first, first + count)]
def write(run, first, count):
    made = points(first, count)
    return lambda: store.log_batch(run, made, [], [])
def write_one(index):
    (made,) = points(20_000 + index, 1)
    return lambda: store.log_metric(other, made)
def newest(experiment):
    return lambda: store.search_runs([experiment], "", ViewType.ACTIVE_ONLY, 50)
run, other = new_run(), new_run()
for _ in range(num_runs - 62):
    new_run()
for _ in range(60):
    made = [Metric(f"test/m{index}", 0.5, int(time.time() * 1000), 1) for index in range(8)]
    store.log_batch(new_run(configured), made, [Param(*pair) for pair in parameters.items()], [])
calls = {
    "write 1000 points": lambda index: write(run, 1000 * index, 1000),
    "write 100 points": lambda index: write(other, 100 * index, 100),
    "write 1 point": write_one,
    "read a curve of 10,000": lambda _: lambda: store.get_metric_history(run, "loss"),
    "newest 50 runs, MLflow's bare": lambda _: newest(bare),
    "newest 50 runs, all with config, metrics": lambda _: newest(configured),
    "queue a run, MLflow: create one": lambda _: new_run,
}
print("ready", flush=True)
for line in sys.stdin:
    name, index = json.loads(line)
    call = calls[name](index)
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)
"""

Span = tuple[float, float]
"""Wall and CPU time in seconds."""


def timed(call: Callable[[], object]) -> Span:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def median(spans: list[Span]) -> Span:
    walls, cpus = zip(*spans, strict=True)
    return statistics.median(walls), statistics.median(cpus)


class Ours:
    """The store, as the head uses it."""

    def __init__(self, settings: Settings) -> None:
        self.database = Database(open_engine(database_url(settings)))
        upgrade(self.database)
        self._settings, self._recorder = settings, Recorder(self.database)
        self._curves, self._runs = CurveRepository(self.database), RunRepository(self.database)
        self._lists = RunLists(self.database)
        self.first, self.second = self.start_run(), self.start_run()

    def start_run(self) -> str:
        run_id = self._recorder.queue_run(CONFIG, RunRequest(), settings=self._settings).id
        self._recorder.begin_submission(run_id)
        self._recorder.mark_running(run_id, 1, host="a", pid=1, start_step=0, total_steps=STEPS, epochs=1)
        return run_id

    def add_runs(self, number: int) -> None:
        """Insert finished runs directly: what is measured is reading them."""
        with self.database.read() as connection:
            row = dict(connection.execute(Run.__table__.select().where(Run.id == self.first)).one()._mapping)
        places = ({"id": new_id(), "run_dir": f"/r/{n}", "checkpoint_dir": f"/c/{n}"} for n in range(number))
        ended = {"state": RunState.SUCCEEDED, "metrics": {f"test/m{index}": 0.5 for index in range(8)}}
        copies = [{**row, **place, **ended} for place in places]
        self.database.write(lambda tx: tx.connection.execute(insert(Run), copies).close())

    def write(self, run_id: str, first: int, count: int) -> Callable[[], None]:
        rows = [{"kind": "train", "step": n, "loss": math.sin(n / 7)} for n in range(first, first + count)]
        return lambda: self._recorder.record_rows(run_id, 1, rows)

    def call(self, name: str, index: int) -> Callable[[], object]:
        """Return what is to be measured, all made that it needs."""
        if name == READ:
            return lambda: self._curves.read_curves([self.first], ["loss"], max_points=STEPS)
        if name == NEWEST:
            return self._runs.list_runs
        if name == QUEUE:
            return partial(self._recorder.queue_run, CONFIG, RunRequest(), settings=self._settings)
        if name == CONFIGURED:
            return lambda: self._lists.read(RunFilter(), limit=50)
        count = WRITES[name]
        return self.write(self.first if count == 1000 else self.second, index * count + 20_000 * (count == 1), count)

    def measure_many(self, num_runs: int) -> dict[str, Span]:
        """Measure what MLflow is not asked for."""
        many = [self.start_run() for _ in range(100)]
        for run_id in many:
            self.write(run_id, 0, STEPS)()

        def read(max_points: int) -> Span:
            return median(
                [timed(lambda: self._curves.read_curves(many, ["loss"], max_points=max_points)) for _ in range(3)]
            )

        listing = [timed(lambda: self._runs.list_runs(limit=num_runs)) for _ in range(3)]
        curves = {f"100 curves of 10,000, {n} points each": read(n) for n in (1000, 500)}
        return {**curves, f"all {num_runs} runs": median(listing)}


class Limit:
    """A file of steps and values, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def call(self, name: str, index: int) -> object:
        if name == READ:
            return memoryview((self._folder / "1000").read_bytes()).cast("d")
        count = WRITES[name]
        with (self._folder / str(count)).open("ab") as out:
            return out.write(b"".join(struct.pack("<dd", index * count + n, math.sin(n)) for n in range(count)))


@contextmanager
def mlflow_store(python: str | None, folder: Path, num_runs: int) -> Iterator[Callable[[str, int], Span] | None]:
    """Start MLflow with so many runs; what it gives does one call and tells what it took."""
    if python is None:
        yield None
        return
    parameters = {name: str(value) for name, value in asdict(CONFIG).items() if str(value)}
    command = [python, "-W", "ignore", "-c", MLFLOW, str(folder), str(num_runs), json.dumps(parameters)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ask, answers = process.stdin, process.stdout

        def call(name: str, index: int) -> Span:
            print(json.dumps([name, index]), file=ask, flush=True)
            wall, cpu = json.loads(answers.readline())
            return wall, cpu

        while (line := answers.readline()) and line != "ready\n":
            pass
        yield call
        ask.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow-python", help="an interpreter that can import mlflow")
    parser.add_argument("--postgres", help="address of an empty database, to be measured in place of SQLite")
    parser.add_argument("--runs", type=int, default=10_000, help="runs to list from; MLflow needs 10 ms to make one")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="utp-bench-"))
    values: dict[str, Any] = {name: folder / name for name in ("UTP_HOME", "SHARED_LOGS_DIR", "DATASETS_DIR")}
    if options.postgres:
        values["UTP_DATABASE_URL"] = options.postgres
    ours, limit = Ours(Settings.model_validate(values)), Limit(folder)
    ours.add_runs(options.runs - 2)
    print(f"load {os.getloadavg()[0]:.1f}; {options.runs} runs in each store")
    print(f"{'ms':40} {'ours':>9} {'CPU':>9} {'limit':>9} {'MLflow':>9} {'CPU':>9} {'x':>7} {'x CPU':>7}")
    try:
        with mlflow_store(options.mlflow_python, folder, options.runs) as mlflow:
            for name, times in CALLS.items():
                own, bare, peer = [], [], []
                for first in range(0, times, BLOCK):
                    block = range(first, first + BLOCK)
                    warm_up(name, ours.call(name, first))
                    own += [timed(ours.call(name, index)) for index in block]
                    if name not in (NEWEST, CONFIGURED, QUEUE):
                        bare += [timed(partial(limit.call, name, index)) for index in block]
                    if mlflow is not None:
                        warm_up(name, partial(mlflow, name, first))
                        peer += [mlflow(name, index) for index in block]
                tell(name, own, bare, peer)
        for name, span in ours.measure_many(options.runs).items():
            tell(name, [span], [], [])
    finally:
        ours.database.close()
        shutil.rmtree(folder)


def warm_up(name: str, call: Callable[[], object]) -> None:
    began = time.perf_counter()
    while name in REPEATABLE and time.perf_counter() - began < WARM_UP_S:
        call()


def tell(name: str, own: list[Span], bare: list[Span], peer: list[Span]) -> None:
    """Print medians, and the medians of the ratios call by call."""
    wall, cpu = median(own)
    bound = f"{median(bare)[0] * 1e3:9.3f}" if bare else " " * 9
    beside = ""
    if peer:
        by_wall, by_cpu = median([(theirs[0] / us[0], theirs[1] / us[1]) for us, theirs in zip(own, peer, strict=True)])
        beside = f"{median(peer)[0] * 1e3:9.2f} {median(peer)[1] * 1e3:9.2f} {by_wall:7.0f} {by_cpu:7.0f}"
    print(f"{name:40} {wall * 1e3:9.3f} {cpu * 1e3:9.3f} {bound} {beside}", flush=True)


if __name__ == "__main__":
    main()
