"""Start of the API and its memory: `python bench/api_startup.py [--rounds 5] [--serve]`.

In turns with a bare FastAPI app on uvicorn: seconds from the start of the process to the first answer of `/healthz`,
and the resident memory then; of ours also after the import of its app alone. With `--serve` the memory of a replica on
Ray Serve too, and the time from `serve.run` to its answer.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from utp.settings import Settings
from utp.store.database import Database
from utp.store.engines import database_url, open_engine
from utp.store.upgrade import upgrade

MOUNTS = ("UTP_HOME", "SHARED_LOGS_DIR", "DATASETS_DIR")
BARE = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/healthz")
def healthz(): return {"status": "ok"}
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""
IMPORT = "import utp.api.app, psutil; print(psutil.Process().memory_info().rss)"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_answer(port: int) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/healthz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < deadline, f"nothing answers on port {port}"
            time.sleep(0.01)


def start(command: list[str], port: int, environment: dict[str, str]) -> tuple[float, float, float]:
    """Return seconds to the first answer, CPU seconds of the process until then, and its memory in MB."""
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_answer(port)
            seconds, seen = time.perf_counter() - began, psutil.Process(process.pid)
            cpu = seen.cpu_times()
            return seconds, cpu.user + cpu.system, seen.memory_info().rss / 1e6
        finally:
            process.terminate()


def measure_replica(mounts: dict[str, str]) -> tuple[float, float]:
    """Return seconds from `serve.run` to an answer, and the replica's memory in MB."""
    os.environ |= mounts
    import ray  # noqa: PLC0415  only with --serve
    from ray import serve  # noqa: PLC0415

    from utp.entrypoints.serve import start_dashboard  # noqa: PLC0415

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        port, began = free_port(), time.perf_counter()
        start_dashboard("127.0.0.1", port)
        wait_for_answer(port)
        seconds = time.perf_counter() - began
        lines = ((process, " ".join(process.info["cmdline"] or ())) for process in psutil.process_iter(["cmdline"]))
        mine = [process for process, line in lines if "ServeReplica:utp" in line and process.ppid() in own_children()]
        return seconds, max(process.memory_info().rss for process in mine) / 1e6
    finally:
        serve.shutdown()
        ray.shutdown()


def own_children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help="measure a replica too; starts a Ray")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="utp-b-", ignore_cleanup_errors=True) as name:
        mounts = {mount: str(Path(name) / mount) for mount in MOUNTS}
        database = Database(open_engine(database_url(Settings.model_validate(mounts))))
        upgrade(database)
        database.close()
        environment = {**os.environ, **mounts}
        ours, bare = [], []
        for _ in range(options.rounds):
            port = free_port()
            ours.append(start([sys.executable, "-m", "utp.entrypoints.api", "--port", str(port)], port, environment))
            port = free_port()
            bare.append(start([sys.executable, "-c", BARE, str(port)], port, environment))
        print(f"load {os.getloadavg()[0]:.1f}, {options.rounds} rounds in turns")
        for kind, spans in (("ours", ours), ("bare FastAPI", bare)):
            seconds, cpu, memory = (statistics.median(values) for values in zip(*spans, strict=True))
            print(f"{kind:14} ready after {seconds:.2f} s ({cpu:.2f} s of CPU), {memory:.0f} MB")
        ratio = statistics.median(a[1] / b[1] for a, b in zip(ours, bare, strict=True))
        print(f"CPU of the start, ours / bare: {ratio:.1f}")
        imported = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=True).stdout
        print(f"ours after import: {int(imported) / 1e6:.0f} MB")
        if options.serve:
            seconds, memory = measure_replica(mounts)
            print(f"on Ray Serve: answers {seconds:.1f} s after serve.run, replica {memory:.0f} MB")


if __name__ == "__main__":
    main()
