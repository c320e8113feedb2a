"""From a worker's line to a browser's socket: `python bench/log_to_socket.py [--lines 400] [--clients 200]`.

Four processes, as on a platform, with a local socket in the place of Ray: a worker that writes a line every few
milliseconds into a file that the head does not see, with its shipper; the head's log hub; the API on uvicorn; and a
client on its WebSocket that follows the log. Told is the time from before a line is written until the client has it,
first alone, then beside other clients that follow the same log, one of which reads a byte a second.
Goal: p50 at most 100 ms, p95 at most 300 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Client, Listener
from multiprocessing.synchronize import Event
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from utp.api.security.credentials import TOKEN_PREFIX, hash_secret, new_secret
from utp.cluster.log_hub import LogHub
from utp.cluster.log_shipper import LogShipper
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.logs.places import copies_folder
from utp.settings import Settings
from utp.store.access import Role, Scope
from utp.store.database import Database
from utp.store.engines import database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.upgrade import upgrade

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)
LOG = "rank0.log"
MOUNTS = ("UTP_HOME", "SHARED_LOGS_DIR", "DATASETS_DIR")
INTERVAL_S = 0.02
"""Between two lines of the worker; not a multiple of what anybody waits for."""


@dataclass(frozen=True)
class Server:
    """Where the API is, and the run whose log is followed."""

    port: int
    token: str
    run_id: str

    @property
    def asked(self) -> str:
        return json.dumps({"op": "sub", "id": 1, "topic": "log", "run_id": self.run_id, "stream": LOG, "from_line": -1})


def make_run(settings: Settings) -> tuple[str, str]:
    """Make the store with a run that trains; return its id and a token."""
    database = Database(open_engine(database_url(settings)))
    upgrade(database)
    recorder = Recorder(database)
    run_id = recorder.queue_run(CONFIG, RunRequest(), settings=settings).id
    recorder.begin_submission(run_id)
    recorder.mark_running(run_id, 1, host="a", pid=1, start_step=0, total_steps=100, epochs=1)
    token = new_secret(TOKEN_PREFIX)
    user_id = recorder.add_user("bench", Role.ADMIN)
    hashed = hash_secret(token, settings)
    recorder.add_token(user_id, name="bench", scope=Scope.ADMIN, hash=hashed, life_s=86_400.0)
    database.close()
    return run_id, token


def work(log: Path, run_id: str, address: str) -> None:
    """The worker: writes the time in nanoseconds into each line, until it is ended."""
    link = Client(address)

    def send(stream: str, offset: int, data: bytes) -> int:
        link.send((run_id, stream, offset, data))
        following: int = link.recv()
        return following

    LogShipper(send, {LOG: log}).start()
    with log.open("ab", buffering=0) as file:
        while True:
            file.write(b"%d loss 0.12345 acc@1 0.98765 images/s 1234.5\n" % time.time_ns())
            time.sleep(INTERVAL_S)


def take_in(home: Path, address: str) -> None:
    """The head: takes what shippers bring, until it is ended."""
    hub = LogHub(copies_folder(home), lambda run_id, attempt: None)
    link = Listener(address).accept()
    while True:
        run_id, stream, offset, data = link.recv()
        link.send(hub.take(run_id, 1, stream, offset, data))


@contextlib.contextmanager
def platform(folder: Path) -> Iterator[Server]:
    """Run worker, head and API until the end of the block."""
    mounts = {name: str(folder / name) for name in MOUNTS}
    settings = Settings.model_validate(mounts)
    run_id, token = make_run(settings)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "utp.entrypoints.api", "--port", str(port)]
    context = multiprocessing.get_context("spawn")
    address = str(folder / "head")
    others = [
        context.Process(target=take_in, args=(settings.home, address), daemon=True),
        context.Process(target=work, args=(folder / LOG, run_id, address), daemon=True),
    ]
    with subprocess.Popen(
        command, env={**os.environ, **mounts}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as api:
        try:
            others[0].start()
            wait_for(Path(address).exists)
            others[1].start()
            wait_for(lambda: can_connect(port))
            wait_for((copies_folder(settings.home) / run_id / "1" / LOG).exists)
            yield Server(port, token, run_id)
        finally:
            for process in others:
                process.terminate()
            api.terminate()


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "the platform did not start within 60 s"
        time.sleep(0.05)


async def follow(server: Server) -> ClientConnection:
    headers = {"Authorization": f"Bearer {server.token}"}
    connection = await connect(f"ws://127.0.0.1:{server.port}/api/v1/ws", additional_headers=headers)
    await connection.send(server.asked)
    return connection


async def listen(server: Server, num_lines: int) -> list[float]:
    """Return the milliseconds of lines, from writing to having them."""
    connection = await follow(server)
    spans: list[float] = []
    while len(spans) < num_lines + 20:
        message = json.loads(await connection.recv())
        now = time.time_ns()
        spans += [(now - int(line["text"].split()[0])) / 1e6 for line in message.get("lines", ())]
    await connection.close()
    return spans[20:]  # the first were written before it came


def crowd(server: Server, num_clients: int, are_there: Event) -> None:
    """Follow with so many clients, one of which reads a byte a second, until ended."""
    threading.Thread(target=read_slowly, args=(server,), daemon=True).start()

    async def hear() -> None:
        connection = await follow(server)
        while True:
            await connection.recv()

    async def all_of_them() -> None:
        tasks = [asyncio.create_task(hear()) for _ in range(num_clients - 1)]
        await asyncio.sleep(5)
        are_there.set()
        await asyncio.gather(*tasks)

    asyncio.run(all_of_them())


def read_slowly(server: Server) -> None:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.port))
    headers = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    headers += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", f"Host: localhost:{server.port}"]
    headers += [f"Authorization: Bearer {server.token}"]
    client.sendall("\r\n".join(["GET /api/v1/ws HTTP/1.1", *headers, "", ""]).encode())
    text = server.asked.encode()
    client.sendall(bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2, "big") + bytes(4) + text)  # RFC 6455, masked by 0
    while client.recv(1):
        time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=400)
    parser.add_argument("--clients", type=int, default=200)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="utp-b-", ignore_cleanup_errors=True) as name,
        platform(Path(name)) as server,
    ):
        tell("one client", asyncio.run(listen(server, options.lines)))
        context = multiprocessing.get_context("spawn")
        are_there = context.Event()
        others = context.Process(target=crowd, args=(server, options.clients, are_there), daemon=True)
        others.start()
        are_there.wait()
        tell(f"beside {options.clients} clients", asyncio.run(listen(server, options.lines)))
        others.terminate()


def tell(what: str, spans: list[float]) -> None:
    quantiles = statistics.quantiles(spans, n=100)
    print(f"{what:20} p50 {quantiles[49]:6.1f} ms, p95 {quantiles[94]:6.1f} ms, p99 {quantiles[98]:6.1f} ms, "
          f"{len(spans)} lines, load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
