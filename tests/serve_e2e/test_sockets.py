"""Row 46 on Ray Serve: who reads nothing costs no memory and slows nobody."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest
from tests.serve_e2e.conftest import HeldRun
from tests.serve_e2e.following import lag_s, open_socket
from tests.support.web_platform import WebPlatform
from websockets.asyncio.client import ClientConnection

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(600)]

NUM_SLOW = 4
FLOOD_BYTES = 40 << 20
MAX_GROWTH_BYTES = 30 << 20
"""Of the replicas together: what each slow client may have outstanding, twice, and noise."""


def test_clients_that_read_nothing_cost_no_memory_and_slow_nobody(platform: WebPlatform, held_run: HeldRun) -> None:
    def flood() -> None:
        piece = b"".join(b"%06d %s\n" % (number, b"." * 93) for number in range(1000))
        for _ in range(FLOOD_BYTES // len(piece)):
            held_run.write(piece)
            time.sleep(0.02)

    async def watch(num_slow: int) -> list[float]:
        slow = [await subscribe(platform, held_run, reads=False) for _ in range(num_slow)]
        socket = await subscribe(platform, held_run, reads=True)
        writer = threading.Thread(target=flood)
        writer.start()
        lags = [await one_lag_s(platform, socket, held_run, number) for number in range(40)]
        await asyncio.to_thread(writer.join)
        lags += [await one_lag_s(platform, socket, held_run, 1000)]
        for one in (*slow, socket):
            one.transport.abort()
        return lags

    cold = memory_bytes(platform)
    asyncio.run(watch(0))
    before = memory_bytes(platform)
    lags = sorted(asyncio.run(watch(NUM_SLOW)))
    after = memory_bytes(platform)
    growth = {name: (after[name] - before[name]) / 2**20 for name in before}
    print(f"lags in ms: {[round(lag * 1000) for lag in lags]}; memory in MiB: {cold} {before} {growth}")
    assert sum(growth.values()) < MAX_GROWTH_BYTES / 2**20
    assert lags[20] < 0.5


async def subscribe(platform: WebPlatform, run: HeldRun, *, reads: bool) -> ClientConnection:
    """Follow the log from its newest line; who does not read has its socket's buffers full soon."""
    socket = await open_socket(platform)
    asked = {"topic": "log", "run_id": run.id, "attempt": 1, "stream": "rank0.log", "from_line": -1}
    await socket.send(json.dumps({"op": "sub", "id": 1, **asked}))
    assert json.loads(await socket.recv())["type"] == "subscribed"
    if not reads:
        socket.transport.pause_reading()
    return socket


async def one_lag_s(platform: WebPlatform, socket: ClientConnection, run: HeldRun, number: int) -> float:
    mark = f"mark {number} {time.time_ns()}"
    began = time.monotonic()
    run.write(f"{mark}\n".encode())
    found = await lag_s(platform, run.id, socket, mark, began)
    await asyncio.sleep(0.05)
    return found


def memory_bytes(platform: WebPlatform) -> dict[str, int]:
    """Return what the replicas hold."""
    return {f"{process.name()} {pid}": process.memory_info().rss for pid, process in platform.replicas().items()}
