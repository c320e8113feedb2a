"""Latency and throughput of the API: `python bench/api_latency.py [--runs 10000] [--rounds 300] [--serve]`.

A store with that many runs of 1000 points each, behind our app on uvicorn; beside it, request by request in turns, a
bare FastAPI app on uvicorn that answers the same bytes: from memory through the same response models (`typed`), and as
bytes that are there already (`bytes`), neither with a store, a log-in or a security header. With `--serve` also our app
on Ray Serve: as `utp up` has it, where a replica listens itself, and through Serve's own proxy, as serve.yaml has it.
Goal: a GET takes at most twice that of the bare app.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import uvicorn
from fastapi import FastAPI, Response
from sqlalchemy import insert, select

from utp.api.metrics.schemas import CurveList
from utp.api.runs.schemas import RunDetail, RunPage
from utp.api.security.credentials import TOKEN_PREFIX, hash_secret, new_secret
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import Settings
from utp.store.access import Role, Scope
from utp.store.database import Database, Transaction
from utp.store.engines import database_url, open_engine
from utp.store.ids import new_id
from utp.store.recorder import Recorder
from utp.store.states import RunState
from utp.store.tables import Run
from utp.store.tables.metric_block import MetricBlock
from utp.store.tables.metric_series import MetricSeries
from utp.store.upgrade import upgrade

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)
POINTS_PER_RUN = 1000
LONG_RUN_POINTS = 10_000
NUM_CLIENTS = 8
THROUGHPUT_S = 3.0
MODELS = {"list": RunPage, "read": RunDetail, "metrics": CurveList}
MOUNTS = ("UTP_HOME", "SHARED_LOGS_DIR", "DATASETS_DIR")


def fill(settings: Settings, num_runs: int) -> tuple[str, dict[str, str]]:
    """Make the store; return a token and the paths to ask for."""
    database = Database(open_engine(database_url(settings)))
    upgrade(database)
    recorder = Recorder(database)
    first = recorder.queue_run(CONFIG, RunRequest(), settings=settings).id
    recorder.begin_submission(first)
    recorder.mark_running(first, 1, host="a", pid=1, start_step=0, total_steps=LONG_RUN_POINTS, epochs=1)
    for start in range(0, LONG_RUN_POINTS, 1000):
        rows = [{"kind": "train", "step": step, "loss": 1 / (step + 1)} for step in range(start, start + 1000)]
        recorder.record_rows(first, 1, rows)
    database.write(lambda tx: copy_runs(tx, first, num_runs - 1))
    token = new_secret(TOKEN_PREFIX)
    user_id = recorder.add_user("bench", Role.ADMIN)
    hashed = hash_secret(token, settings)
    recorder.add_token(user_id, name="bench", scope=Scope.ADMIN, hash=hashed, life_s=86_400.0)
    database.close()
    paths = {
        "list": "/api/v1/runs?limit=50",
        "read": f"/api/v1/runs/{first}",
        "metrics": f"/api/v1/metrics?run_ids={first}&names=loss&max_points=2000",
    }
    return token, paths


def copy_runs(tx: Transaction, first: str, number: int) -> None:
    """Insert finished runs with a block of points each; through the recorder ten million would take an hour."""
    row = dict(tx.connection.execute(select(Run.__table__).where(Run.id == first)).mappings().one())
    series = dict(tx.connection.execute(select(MetricSeries.__table__)).mappings().one())
    block = dict(tx.connection.execute(select(MetricBlock.__table__).limit(1)).mappings().one())
    ids = [new_id() for _ in range(number)]
    base = series.pop("id")
    copies = [
        {**row, "id": run_id, "name": f"r{n}", "run_dir": f"/r/{n}", "checkpoint_dir": f"/c/{n}",
         "state": RunState.SUCCEEDED, "created_at": row["created_at"] + n}
        for n, run_id in enumerate(ids)
    ]  # fmt: skip
    tx.connection.execute(insert(Run), copies)
    short = {**series, "num_folded": POINTS_PER_RUN, "open_step": 0, "open_size": POINTS_PER_RUN}
    rows = [{**short, "id": base + 1 + n, "run_id": run_id} for n, run_id in enumerate(ids)]
    tx.connection.execute(insert(MetricSeries), rows)
    tx.connection.execute(insert(MetricBlock), [{**block, "series_id": row["id"]} for row in rows])


def serve_bare(port: int, folder: Path) -> None:
    """Serve the answers in `folder`."""
    app = FastAPI()

    def add(name: str, path: str, body: bytes, model: Any) -> None:
        answer = model.model_validate_json(body)

        def typed() -> Any:
            return answer

        def ready() -> Response:
            return Response(body, media_type="application/json")

        app.get(f"/typed{path}", response_model=model, name=name)(typed)
        app.get(f"/bytes{path}")(ready)

    for name, model in MODELS.items():
        path = (folder / f"{name}.path").read_text().partition("?")[0]
        add(name, path, (folder / f"{name}.json").read_bytes(), model)
    uvicorn.run(app, port=port, log_level="warning", access_log=False)


class Client:
    """One connection that is kept open."""

    def __init__(self, port: int, prefix: str, token: str | None) -> None:
        self._port, self._prefix = port, prefix
        self._sign_in = f"Authorization: Bearer {token}\r\n" if token else ""

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)

    async def get(self, path: str) -> bytes:
        request = f"GET {self._prefix}{path} HTTP/1.1\r\nHost: localhost:{self._port}\r\n{self._sign_in}\r\n"
        self._writer.write(request.encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in head[:20], head
        if b"chunked" not in head:
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return await self._reader.readexactly(length)
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readline()
        await self._reader.readline()
        return body

    def close(self) -> None:
        self._writer.close()


Target = tuple[int, str, str | None]
"""Port, prefix, token."""


async def measure(targets: Mapping[str, Target], path: str, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each request, in turns."""
    clients = {name: Client(*target) for name, target in targets.items()}
    spans: dict[str, list[float]] = {name: [] for name in targets}
    for client in clients.values():
        await client.open()
        for _ in range(20):
            await client.get(path)
    for _ in range(rounds):
        for name, client in clients.items():
            began = time.perf_counter()
            await client.get(path)
            spans[name].append(1e3 * (time.perf_counter() - began))
    for client in clients.values():
        client.close()
    return spans


async def throughput(target: Target, path: str) -> float:
    """Return requests per second of some clients that ask all the time."""
    ends, count = time.perf_counter() + THROUGHPUT_S, 0

    async def ask() -> None:
        nonlocal count
        client = Client(*target)
        await client.open()
        while time.perf_counter() < ends:
            await client.get(path)
            count += 1
        client.close()

    await asyncio.gather(*(ask() for _ in range(NUM_CLIENTS)))
    return count / THROUGHPUT_S


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a server until the end of the block."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield
        finally:
            process.terminate()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 120
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, f"nothing listens on port {port}"
        time.sleep(0.1)


@contextlib.contextmanager
def on_serve(environment: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Run our app on a Ray of its own, behind a proxy and without; gives the ports."""
    os.environ.update(environment)
    import ray  # noqa: PLC0415  only with --serve
    from ray import serve  # noqa: PLC0415

    from utp.entrypoints.serve import app, start_dashboard  # noqa: PLC0415

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        proxy, own = free_port(), free_port()
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": proxy})
        serve.run(app, name="proxied", route_prefix="/")
        start_dashboard("127.0.0.1", own)
        for process in psutil.process_iter(["cmdline", "memory_info"]):
            line = " ".join(process.info["cmdline"] or ())
            if line.startswith("ray::ProxyActor"):
                print(f"Serve's proxy, which `utp up` does not start: {process.info['memory_info'].rss >> 20} MiB")
        yield {"ours, by `utp up`": own, "ours, Serve's proxy": proxy}
    finally:
        serve.shutdown()
        ray.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--serve", action="store_true", help="measure on Ray Serve too; starts a Ray")
    parser.add_argument("--bare", nargs=2, metavar=("PORT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        serve_bare(int(options.bare[0]), Path(options.bare[1]))
        return
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="utp-bench-", ignore_cleanup_errors=True)))
        mounts = {name: str(folder / name) for name in MOUNTS}
        token, paths = fill(Settings.model_validate(mounts), options.runs)
        environment = {**os.environ, **mounts, "UTP_RATE_LIMIT": "100000000/minute"}
        ours, bare = free_port(), free_port()
        stack.enter_context(
            running([sys.executable, "-m", "utp.entrypoints.api", "--port", str(ours)], ours, environment)
        )
        targets: dict[str, Target] = {"ours": (ours, "", token)}
        asyncio.run(save_answers(targets["ours"], paths, folder))
        command = [sys.executable, __file__, "--bare", str(bare), str(folder)]
        stack.enter_context(running(command, bare, environment))
        targets |= {"bare, typed": (bare, "/typed", None), "bare, bytes": (bare, "/bytes", None)}
        if options.serve:
            serve_env = {**mounts, "UTP_RATE_LIMIT": "100000000/minute"}
            ports = stack.enter_context(on_serve(serve_env))
            targets |= {name: (port, "", token) for name, port in ports.items()}
        tell(targets, paths, options.rounds)


async def save_answers(target: Target, paths: Mapping[str, str], folder: Path) -> None:
    """Keep what our app answers, for the bare one."""
    client = Client(*target)
    await client.open()
    for name, path in paths.items():
        (folder / f"{name}.json").write_bytes(await client.get(path))
        (folder / f"{name}.path").write_text(path)
    client.close()


def tell(targets: Mapping[str, Target], paths: Mapping[str, str], rounds: int) -> None:
    """Measure and print."""
    print(f"load {os.getloadavg()[0]:.1f}; ms of a GET, {rounds} of each in turns; {NUM_CLIENTS} clients for GET/s")
    print(f"{'':10} {'':22} {'p50':>8} {'p99':>8} {'x typed':>8} {'x bytes':>8} {'GET/s':>8}")
    for name, path in paths.items():
        spans = asyncio.run(measure(targets, path, rounds))
        rates = {who: asyncio.run(throughput(target, path)) for who, target in targets.items()}
        for who, own in spans.items():
            p99 = statistics.quantiles(own, n=100)[98]
            ratios = [
                statistics.median(a / b for a, b in zip(own, spans[peer], strict=True))
                for peer in ("bare, typed", "bare, bytes")
            ]
            print(
                f"{name:10} {who:22} {statistics.median(own):8.2f} {p99:8.2f} {ratios[0]:8.2f} {ratios[1]:8.2f} "
                f"{rates[who]:8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
