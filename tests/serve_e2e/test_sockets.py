"""Row 46 on Ray Serve: who reads nothing costs no memory and slows nobody, and is told what it missed."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx2
import pytest
from tests.serve_e2e.conftest import HeldRun
from tests.serve_e2e.following import open_socket
from tests.support.web_platform import WebPlatform
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(600)]

NUM_SLOW = 4
FLOOD_BYTES = 80 << 20
MAX_GROWTH_BYTES = 20 << 20
"""Of each replica."""
MAX_LAG_S = 0.2


def test_clients_that_read_nothing_cost_no_memory_and_slow_nobody(platform: WebPlatform, held_run: HeldRun) -> None:
    async def watch(num_slow: int) -> tuple[list[float], list[str]]:
        async with AsyncExitStack() as stack:
            slow = [await stack.enter_async_context(subscribed(platform, held_run)) for _ in range(num_slow)]
            for one in slow:
                one.transport.pause_reading()  # its socket's buffers are full soon
            quick = await stack.enter_async_context(subscribed(platform, held_run))
            lags = await lags_beside_flood(platform, held_run, quick)
            return lags, [await fate_of(one) for one in slow]

    asyncio.run(watch(0))  # what any flood allocates for good
    before = memory_bytes(platform)
    lags, fates = asyncio.run(watch(NUM_SLOW))
    growth = {name: held - before[name] for name, held in memory_bytes(platform).items()}
    lags.sort()
    print(f"lags in ms: {[round(lag * 1000) for lag in lags]}; memory in MiB: {before} {growth}; {fates}")
    assert set(fates) <= {"dropped", "told of a gap"}
    assert max(growth.values()) < MAX_GROWTH_BYTES
    assert lags[-1] < MAX_LAG_S


@asynccontextmanager
async def subscribed(platform: WebPlatform, run: HeldRun) -> AsyncIterator[ClientConnection]:
    """Follow the log from its newest line."""
    socket = await open_socket(platform)
    asked = {"topic": "log", "run_id": run.id, "attempt": 1, "stream": "rank0.log", "from_line": -1}
    await socket.send(json.dumps({"op": "sub", "id": 1, **asked}))
    assert json.loads(await socket.recv())["type"] == "subscribed"
    try:
        yield socket
    finally:
        socket.transport.abort()


async def lags_beside_flood(platform: WebPlatform, run: HeldRun, socket: ClientConnection) -> list[float]:
    """Write marks between the lines of a flood; return the seconds until each was heard, or read behind a gap."""

    def flood() -> None:
        piece = b"".join(b"%06d %s\n" % (number, b"." * 93) for number in range(1000))
        for _ in range(FLOOD_BYTES // len(piece)):
            run.write(piece)
            time.sleep(0.02)

    lags: list[float] = []
    with platform.http() as client:
        ears = Ears(client, run.id)
        listening = asyncio.create_task(ears.listen(socket))
        writer = threading.Thread(target=flood)
        writer.start()
        while writer.is_alive():
            mark = f"mark {time.time_ns()}"
            began = time.monotonic()
            heard = ears.expect(mark)
            run.write(f"{mark}\n".encode())
            async with asyncio.timeout(60):
                await heard.wait()
            lags.append(time.monotonic() - began)
            await asyncio.sleep(0.1)
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
    return lags


@dataclass
class Ears:
    """Reads all that comes, as a page does, and says when a line was among it."""

    client: httpx2.Client
    run_id: str
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _mark: str = ""
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, mark: str) -> asyncio.Event:
        self._mark, self._heard = mark, asyncio.Event()
        return self._heard

    async def listen(self, socket: ClientConnection) -> None:
        looks = []
        async for text in socket:
            assert isinstance(text, str)
            if self._mark in text:
                self._heard.set()
            elif '"type":"log",' in text[:40]:  # too many to parse them all, beside what is measured
                continue
            elif (message := json.loads(text))["type"] == "mark":
                await socket.send(json.dumps({"op": "seen", "number": message["number"]}))
            elif message["type"] == "log_gap":
                looks.append(asyncio.create_task(asyncio.to_thread(self._look_for, self._mark)))

    def _look_for(self, mark: str) -> None:
        asked = {"q": mark, "limit": 1, "attempt": 1}
        found = self.client.get(f"/api/v1/runs/{self.run_id}/logs/search", params=asked).json()["items"]
        if found and mark == self._mark:
            self.loop.call_soon_threadsafe(self._heard.set)


async def fate_of(socket: ClientConnection) -> str:
    """Read at last, and return what became of who read nothing."""
    socket.transport.resume_reading()
    with suppress(ConnectionClosed):
        async with asyncio.timeout(60):
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "mark":
                    await socket.send(json.dumps({"op": "seen", "number": message["number"]}))
                elif message["type"] == "log_gap":
                    return "told of a gap"
    return "dropped"


def memory_bytes(platform: WebPlatform) -> dict[str, int]:
    """Return what the replicas hold."""
    return {f"{process.name()} {pid}": process.memory_info().rss for pid, process in platform.replicas().items()}
