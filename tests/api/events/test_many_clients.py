"""Sockets on a real server: one that hardly reads, two hundred that come back at once, GETs beside them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import psutil
import pytest
from fastapi import FastAPI
from tests.api.conftest import ADMIN_ID, make_token
from tests.support.api_server import serving
from tests.support.live_run import LiveRun
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from utp.api.events import window
from utp.api.services import Services
from utp.settings import Settings
from utp.store.access import Scope
from utp.store.recorder import Recorder

NUM_CLIENTS = 200


@dataclass(frozen=True)
class Server:
    address: str
    headers: dict[str, str]


@pytest.fixture
def run(recorder: Recorder, settings: Settings) -> LiveRun:
    return LiveRun.running(recorder, settings)


@pytest.fixture
def server(app: FastAPI, services: Services) -> Iterator[Server]:
    token = make_token(services, ADMIN_ID, Scope.ADMIN)
    with serving(app) as address:
        yield Server(address, {"Authorization": f"Bearer {token}"})


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, last))


async def follow(server: Server, run_id: str, from_line: int) -> ClientConnection:
    connection = await connect(f"ws://{server.address}/api/v1/ws", additional_headers=server.headers)
    asked = {"op": "sub", "id": 1, "topic": "log", "run_id": run_id, "stream": "rank0.log", "from_line": from_line}
    await connection.send(json.dumps(asked))
    assert json.loads(await connection.recv())["type"] == "subscribed"
    return connection


async def hear(connection: ClientConnection) -> dict[str, Any]:
    """Return the next message; marks are confirmed."""
    while (message := json.loads(await connection.recv()))["type"] == "mark":
        await connection.send(json.dumps({"op": "seen", "number": message["number"]}))
    return dict(message)


def is_found(server: Server, run_id: str, text: str) -> bool:
    url = f"http://{server.address}/api/v1/runs/{run_id}/logs/search"
    return bool(httpx2.get(url, params={"q": text, "limit": 1}, headers=server.headers).json()["items"])


async def hear_lines(connection: ClientConnection, until: int) -> list[int]:
    heard: list[int] = []
    while not heard or heard[-1] < until:
        heard += [line["line"] for line in (await hear(connection))["lines"]]
    return heard


def test_two_hundred_who_come_back_at_once_miss_nothing_and_get_nothing_twice(server: Server, run: LiveRun) -> None:
    async def come_and_go(number: int) -> list[int]:
        heard: list[int] = []
        while len(heard) < 1000:
            until = 999 if heard else 300 + number % 7
            connection = await follow(server, run.id, len(heard))
            heard += await hear_lines(connection, until)
            connection.transport.abort()  # as a deploy does, with no word of leave
            await connection.wait_closed()
        return heard

    async def all_of_them() -> list[list[int]]:
        return await asyncio.gather(*(come_and_go(number) for number in range(NUM_CLIENTS)))

    run.log(numbered(0, 500))
    writer = threading.Timer(1.0, lambda: run.log(numbered(500, 1000)))
    writer.start()
    for heard in asyncio.run(all_of_them()):
        assert heard == list(range(1000))
    writer.join()


def test_who_hardly_reads_slows_nobody_and_costs_no_memory(server: Server, run: LiveRun) -> None:
    def flood() -> None:
        for first in range(0, 100_000, 1000):
            run.log(b"".join(b"%d %s\n" % (number, b"." * 90) for number in range(first, first + 1000)))
            time.sleep(0.005)

    async def lags_s() -> list[float]:
        connection = await follow(server, run.id, -1)
        lags = []
        for number in range(20):
            began = time.monotonic()
            run.log(b"mark %d\n" % number)
            mark = f"mark {number}"
            while mark not in str(message := await hear(connection)):
                if message["type"] == "log_gap" and await asyncio.to_thread(is_found, server, run.id, mark):
                    break  # as the page asks for what a flood left out
            lags.append(time.monotonic() - began)
            await asyncio.sleep(0.05)
        await connection.close()
        return lags

    run.log(numbered(0, 10))
    slow = slow_client(server, run.id)
    before = psutil.Process().memory_info().rss
    writer = threading.Thread(target=flood)
    writer.start()
    lags = asyncio.run(lags_s())
    writer.join()
    assert sorted(lags)[len(lags) // 2] < 0.2, lags
    assert psutil.Process().memory_info().rss - before < 20 << 20
    slow.settimeout(10)
    received, num_marks = b"", 0
    while b'"log_gap"' not in received and len(received) < 8 << 20:
        received += slow.recv(1 << 16)
        while received.count(b'"mark"') > num_marks:
            num_marks += 1
            say(slow, op="seen", number=num_marks)
    assert b'"log_gap"' in received
    slow.close()


def test_who_confirms_nothing_is_sent_one_mebibyte(server: Server, run: LiveRun) -> None:
    """Serve's proxy reads for its clients whatever they do, so that bytes that were sent say nothing."""

    def flood() -> None:
        for number in range(30):
            run.log((b"%d %s\n" % (number, b"." * 90)) * 1000)
            time.sleep(0.02)

    async def read_all() -> int:
        connection = await follow(server, run.id, 0)
        threading.Thread(target=flood).start()
        size = 0
        with contextlib.suppress(TimeoutError):
            while True:
                size += len(await asyncio.wait_for(connection.recv(), 2))
        for number in range(1, 5):
            await connection.send(json.dumps({"op": "seen", "number": number}))
        assert json.loads(await asyncio.wait_for(connection.recv(), 10))["type"] in ("log", "log_gap")
        await connection.close()
        return size

    run.log(b"begin\n")
    size = asyncio.run(read_all())
    assert window.SIZE <= size < window.SIZE + (200 << 10)


def slow_client(server: Server, run_id: str) -> socket.socket:
    """Follow a log over a bare socket that nobody reads from."""
    host, port = server.address.split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((host, int(port)))
    headers = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    headers += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", f"Host: {server.address}"]
    headers += [f"{name}: {value}" for name, value in server.headers.items()]
    client.sendall("\r\n".join(["GET /api/v1/ws HTTP/1.1", *headers, "", ""]).encode())
    while b"\r\n\r\n" not in client.recv(4096):
        pass
    say(client, op="sub", id=1, topic="log", run_id=run_id, stream="rank0.log", from_line=0)
    return client


def say(client: socket.socket, **message: Any) -> None:
    text = json.dumps(message).encode()
    assert len(text) < 126
    client.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)  # RFC 6455, masked by zeros


def test_get_answers_beside_twenty_sockets(server: Server, run: LiveRun) -> None:
    async def open_sockets() -> None:
        connections = [await follow(server, run.id, 0) for _ in range(20)]
        async with httpx2.AsyncClient() as client:
            answer = await client.get(f"http://{server.address}/api/v1/projects", headers=server.headers, timeout=4)
        assert answer.status_code == 200
        for connection in connections:
            await connection.close()

    asyncio.run(open_sockets())


def test_server_that_ends_says_goodbye_first(app: FastAPI, services: Services, run: LiveRun) -> None:
    async def last_words(connection: ClientConnection) -> list[str]:
        heard: list[str] = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                heard.append(json.loads(await connection.recv())["type"])
        return heard

    async def follow_to_the_end() -> None:
        headers = {"Authorization": f"Bearer {make_token(services, ADMIN_ID, Scope.ADMIN)}"}
        with ExitStack() as stack:
            server = Server(stack.enter_context(serving(app, waits=False)), headers)
            connections = [await follow(server, run.id, 0) for _ in range(3)]
            listening = asyncio.gather(*(last_words(connection) for connection in connections))
            await asyncio.to_thread(stack.close)
        assert await listening == [["goodbye"]] * 3
        assert {connection.close_code for connection in connections} == {1012}

    asyncio.run(follow_to_the_end())
