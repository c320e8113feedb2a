"""The page at full size in a real Chromium: `python bench/page_speed.py [--runs 10000] [--lines 1000000]`.

A SQLite store with as many runs in one project, of which 100 have a curve of 10,000 points, and a running one whose log
has 1,000,000 lines and grows by 20 lines a second, each a message of its own; behind it the API under plain uvicorn,
which sends the page that `make ui` built. `web_ui/tools/page_speed.mjs` is the reader: each figure is the median of
several visits with an empty cache, and ends when what was waited for is painted.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update

from utp.config.paths import RunPaths
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import Settings
from utp.store.database import Database
from utp.store.engines import database_url, open_engine
from utp.store.ids import new_id
from utp.store.recorder import Recorder
from utp.store.states import RunState
from utp.store.tables import Run
from utp.store.upgrade import upgrade

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)
PLACES = {"UTP_HOME": "home", "SHARED_LOGS_DIR": "shared_logs_dir", "DATASETS_DIR": "datasets_dir"}
CURVES, STEPS = 100, 10_000
LINES_A_SECOND = 20
GOALS = {
    "project_ms": ("project page of {runs} runs, usable", 1500, "ms"),
    "curves_ms": (f"{CURVES} curves of {STEPS} points, drawn", 1000, "ms"),
    "scroll_fps": ("log of {lines} lines scrolled, 20 messages/s", 55, "frames/s"),
    "javascript_kb": ("JavaScript of the first load, as sent", 250, "KB"),
}


def fill(database: Database, settings: Settings, num_runs: int) -> dict[str, str]:
    """Record the runs; return the ids that the reader visits."""
    recorder = Recorder(database)
    drawn = [start_run(recorder, settings) for _ in range(CURVES)]
    for number, run_id in enumerate(drawn):
        recorder.record_rows(run_id, 1, [row(number, step) for step in range(STEPS)])
    running = start_run(recorder, settings)
    with database.read() as connection:
        like = dict(connection.execute(Run.__table__.select().where(Run.id == running)).one()._mapping)
    copies = [{**like, **own_values(number)} for number in range(num_runs - CURVES - 1)]
    done = {"state": RunState.SUCCEEDED, "tags": ["drawn"], "best_metric": "val_loss"}
    database.write(lambda tx: tx.connection.execute(insert(Run), copies).close())
    database.write(lambda tx: tx.connection.execute(update(Run).where(Run.id.in_(drawn)).values(done)).close())
    return {"project": like["project_id"], "run": running, "directory": like["run_dir"]}


def row(number: int, step: int) -> dict[str, Any]:
    """Return one of `metrics.jsonl`."""
    now = datetime.fromtimestamp(1.7e9 + step, UTC).isoformat()
    return {"kind": "train", "step": step, "epoch": step // 1000, "train_loss": loss(number, step), "time": now}


def start_run(recorder: Recorder, settings: Settings) -> str:
    run_id = recorder.queue_run(CONFIG, RunRequest(), settings=settings).id
    recorder.begin_submission(run_id)
    recorder.mark_running(run_id, 1, host="a", pid=1, start_step=0, total_steps=STEPS, epochs=10)
    return run_id


def own_values(number: int) -> dict[str, Any]:
    """Return what tells a finished run from the others."""
    names = {"id": new_id(), "name": f"vit-tiny__{number}", "run_dir": f"/r/{number}", "checkpoint_dir": f"/c/{number}"}
    best = {"best_metric": "val_acc@1", "best_value": (number * 7919 % 10_000) / 10_000, "best_epoch": number % 10}
    return {**names, **best, "state": RunState.SUCCEEDED, "owner": f"user{number % 40}", "run_time_s": float(number)}


def loss(number: int, step: int) -> float:
    return math.exp(-step / (1000 + 20 * number)) + 0.1 * math.sin(step * (1 + number / 7))


def log_line(number: int) -> str:
    return f"train step {number} epoch {number // 1000}: train_loss {loss(1, number % STEPS):.5f}, lr 0.0003\n"


@contextmanager
def serving(settings: Settings, port: int) -> Iterator[str]:
    """Serve the API and the page until the end of the block; gives the link that signs in."""
    places = {name: str(getattr(settings, field)) for name, field in PLACES.items()}
    command = [sys.executable, "-m", "utp.entrypoints.api", "--port", str(port)]
    with subprocess.Popen(command, env={**os.environ, **places}, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield next(line for line in server.stdout if "/login#code=" in line).split()[-1]
        finally:
            server.terminate()


@contextmanager
def growing(log: Path, first: int) -> Iterator[None]:
    """Append lines, one at a time, until the end of the block."""
    is_over = threading.Event()

    def append() -> None:
        number = first
        with log.open("a", buffering=1) as file:
            while not is_over.wait(1 / LINES_A_SECOND):
                file.write(log_line(number))
                number += 1

    thread = threading.Thread(target=append)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Make the store and the log, and have the page read."""
    settings = Settings.model_validate({name: folder / name for name in PLACES})
    database = Database(open_engine(database_url(settings)))
    upgrade(database)
    places = fill(database, settings, options.runs)
    run_dir = Path(places.pop("directory"))
    log = RunPaths(run_dir, run_dir).attempt(1).log(rank=0)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        file.writelines(log_line(number) for number in range(options.lines))
    database.close()
    asked = {**places, "url": f"http://localhost:{options.port}", "curves": CURVES}
    with serving(settings, options.port) as link, growing(log, options.lines):
        reader = ["node", "tools/page_speed.mjs", json.dumps({**asked, "link": link})]
        done = subprocess.run(reader, cwd=REPOSITORY / "web_ui", stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--port", type=int, default=8125)
    options = parser.parse_args()
    if not (REPOSITORY / "web_ui" / "out" / "index.html").exists():
        sys.exit("The page is not built: run make ui first.")
    folder = Path(tempfile.mkdtemp(prefix="utp-bench-"))
    begun = time.perf_counter()
    try:
        found = measure(folder, options)
    finally:
        shutil.rmtree(folder)
    print(f"load {os.getloadavg()[0]:.1f}, {time.perf_counter() - begun:.0f} s in all")
    for name, (what, goal, unit) in GOALS.items():
        is_met = found[name] >= goal if unit == "frames/s" else found[name] <= goal
        title = what.format(runs=options.runs, lines=options.lines)
        print(f"{title:52} {found[name]:8.1f} {unit:9} goal {goal}: {'met' if is_met else 'missed'}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
