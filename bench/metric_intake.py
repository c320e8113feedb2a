"""Metrics in and out, lists of runs: `python bench/metric_intake.py [--mlflow-python PYTHON] [--postgres URL]`.

Beside it the limit, records of 16 bytes appended to a file per run, and MLflow's own SQLite store in its process where
PYTHON can import it. Every figure is the median of several calls, in wall time; beside it the CPU time of this process,
which a loaded machine changes less. MLflow takes at most 1000 points a call, so both get 1000, one metric of one run.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
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
from utp.store.repositories.runs import RunRepository
from utp.store.states import RunState
from utp.store.tables import Run
from utp.store.upgrade import upgrade

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)
STEPS = 10_000

MLFLOW = """
import json, statistics, sys, time
from mlflow.entities import Metric, ViewType
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
folder, num_runs = sys.argv[1], int(sys.argv[2])
store = SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", folder)
experiment = store.create_experiment("bench")
def new_run():
    return store.create_run(experiment, "me", int(time.time() * 1000), [], "run").info.run_id
def timed(call, times):
    spans = []
    for index in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        call(index)
        spans.append((time.perf_counter() - wall, time.process_time() - cpu))
    return [statistics.median(one) for one in zip(*spans)]
def points(first, count):
    return [Metric("loss", step / 7, int(time.time() * 1000) + step, step) for step in range(first, first + count)]
run = new_run()
found = {}
found["write 1000 points"] = timed(lambda index: store.log_batch(run, points(1000 * index, 1000), [], []), 10)
other = new_run()
found["write 100 points"] = timed(lambda index: store.log_batch(other, points(100 * index, 100), [], []), 10)
found["write 1 point"] = timed(lambda index: store.log_metric(other, points(20_000 + index, 1)[0]), 10)
found["read a curve of 10,000"] = timed(lambda _: store.get_metric_history(run, "loss"), 5)
for _ in range(num_runs):
    new_run()
found["newest 50 runs"] = timed(lambda _: store.search_runs([experiment], "", ViewType.ACTIVE_ONLY, 50), 10)
print(json.dumps(found))
"""

Spans = dict[str, tuple[float, float]]


def timed(call: Callable[[int], object], times: int) -> tuple[float, float]:
    """Median wall and CPU time of a call, in seconds."""
    spans = []
    for index in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        call(index)
        spans.append((time.perf_counter() - wall, time.process_time() - cpu))
    walls, cpus = zip(*spans, strict=True)
    return statistics.median(walls), statistics.median(cpus)


def rows(first: int, count: int) -> list[dict[str, Any]]:
    return [{"kind": "train", "step": step, "loss": math.sin(step / 7)} for step in range(first, first + count)]


def start_run(recorder: Recorder, settings: Settings) -> str:
    run_id = recorder.queue_run(CONFIG, RunRequest(), settings=settings).id
    recorder.begin_submission(run_id)
    recorder.mark_running(run_id, 1, host="a", pid=1, start_step=0, total_steps=STEPS, epochs=1)
    return run_id


def add_runs(database: Database, number: int, like: str) -> None:
    """Insert finished runs directly: what is measured is reading them."""
    with database.read() as connection:
        row = dict(connection.execute(Run.__table__.select().where(Run.id == like)).one()._mapping)
    places = ({"id": new_id(), "run_dir": f"/r/{n}", "checkpoint_dir": f"/c/{n}"} for n in range(number))
    copies = [{**row, **place, "state": RunState.SUCCEEDED} for place in places]
    database.write(lambda tx: tx.connection.execute(insert(Run), copies).close())


def measure_ours(settings: Settings, num_runs: int) -> Spans:
    database = Database(open_engine(database_url(settings)))
    upgrade(database)
    recorder, curves, runs = Recorder(database), CurveRepository(database), RunRepository(database)
    spans: Spans = {}
    first, second = (start_run(recorder, settings) for _ in range(2))
    spans["write 1000 points"] = timed(lambda n: recorder.record_rows(first, 1, rows(1000 * n, 1000)), 10)
    spans["write 100 points"] = timed(lambda n: recorder.record_rows(second, 1, rows(100 * n, 100)), 10)
    spans["write 1 point"] = timed(lambda n: recorder.record_rows(second, 1, rows(20_000 + n, 1)), 10)
    spans["read a curve of 10,000"] = timed(lambda _: curves.read_curves([first], ["loss"], max_points=STEPS), 20)
    many = [start_run(recorder, settings) for _ in range(100)]
    for run_id in many:
        recorder.record_rows(run_id, 1, rows(0, STEPS))
    spans["100 curves of 10,000, 1000 points each"] = timed(lambda _: curves.read_curves(many, ["loss"]), 5)
    spans["100 curves of 10,000, 500 points each"] = timed(
        lambda _: curves.read_curves(many, ["loss"], max_points=500), 5
    )
    add_runs(database, num_runs, first)
    spans["newest 50 runs"] = timed(lambda _: runs.list_runs(), 20)
    spans["all runs"] = timed(lambda _: runs.list_runs(limit=num_runs), 3)
    database.close()
    return spans


def measure_limit(folder: Path) -> Spans:
    file = folder / "points"

    def write(count: int) -> Callable[[int], object]:
        def append(index: int) -> None:
            data = b"".join(struct.pack("<dd", index * count + n, math.sin(n)) for n in range(count))
            with file.open("ab") as out:
                out.write(data)

        return append

    return {
        "write 1000 points": timed(write(1000), 10),
        "write 100 points": timed(write(100), 10),
        "write 1 point": timed(write(1), 10),
        "read a curve of 10,000": timed(lambda _: memoryview(file.read_bytes()).cast("d"), 20),
    }


def measure_mlflow(python: str, folder: Path, num_runs: int) -> Spans:
    command = [python, "-W", "ignore", "-c", MLFLOW, str(folder), str(num_runs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {name: tuple(span) for name, span in json.loads(done.stdout.splitlines()[-1]).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow-python", help="an interpreter that can import mlflow")
    parser.add_argument("--postgres", help="address of an empty database, to be measured in place of SQLite")
    parser.add_argument("--runs", type=int, default=10_000, help="finished runs to list from")
    parser.add_argument("--mlflow-runs", type=int, default=1000, help="fewer, since MLflow needs 25 ms for each")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="utp-bench-"))
    values: dict[str, Any] = {name: folder / name for name in ("UTP_HOME", "SHARED_LOGS_DIR", "DATASETS_DIR")}
    if options.postgres:
        values["UTP_DATABASE_URL"] = options.postgres
    try:
        ours = measure_ours(Settings.model_validate(values), options.runs)
        limit = measure_limit(folder)
        mlflow = measure_mlflow(options.mlflow_python, folder, options.mlflow_runs) if options.mlflow_python else {}
    finally:
        shutil.rmtree(folder)
    print(f"{'ms':40} {'ours':>9} {'CPU':>9} {'limit':>9} {'MLflow':>9} {'x':>7} {'x CPU':>7}")
    for name, (wall, cpu) in ours.items():
        bound = f"{limit[name][0] * 1e3:9.3f}" if name in limit else " " * 9
        peer = mlflow.get(name)
        beside = f"{peer[0] * 1e3:9.2f} {peer[0] / wall:7.0f} {peer[1] / max(cpu, 1e-6):7.0f}" if peer else ""
        print(f"{name:40} {wall * 1e3:9.3f} {cpu * 1e3:9.3f} {bound} {beside}")


if __name__ == "__main__":
    main()
