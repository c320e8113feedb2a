"""PostgreSQL crashes, is locked, runs out of connections or of disk beneath a dashboard under load."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from tests.serve_e2e.conftest import HeldRun
from tests.support.live_platform import wait_until
from tests.support.postgres import PostgresServer
from tests.support.web_platform import WebPlatform

from utp.store.states import RunState

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(900)]

PROJECTS = "/api/v1/projects"
RUNS = "/api/v1/runs"
MAX_WAIT_S = 20.0
"""Of one request: the wait for a connection, then for a lock, each 5 s, on a loaded machine."""


@dataclass
class Load:
    """Requests of several clients at once, again and again, until it is stopped."""

    platform: WebPlatform
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int) -> None:
        with self.platform.http(timeout_s=60) as client:
            for turn in range(1_000_000):
                if self._is_over.is_set():
                    return
                began = time.monotonic()
                is_write = turn % 4 == number % 4
                name = f"load {number} {turn} {time.time_ns()}"
                answer = client.post(PROJECTS, json={"name": name}) if is_write else client.get(RUNS)
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                self.statuses[answer.status_code] += 1
                if answer.status_code not in (200, 201) and not is_polite(answer):
                    self.wrong.append(f"{answer.status_code} {answer.headers} {answer.text}")
                time.sleep(0.05)

    def stop(self) -> None:
        self._is_over.set()


def is_polite(answer: httpx2.Response) -> bool:
    """Whether a refusal is the database's trouble told as it should be."""
    has_retry = answer.status_code == 503 and "retry-after" in answer.headers
    return answer.headers["content-type"] == "application/problem+json" and (has_retry or answer.status_code == 507)


@contextlib.contextmanager
def under_load(platform: WebPlatform, num_clients: int = 6) -> Iterator[Load]:
    """Send requests beside the block; afterwards none was answered wrongly, and nothing else has changed."""
    load, replicas = Load(platform), platform.replicas().keys()
    with ThreadPoolExecutor(num_clients) as threads:
        futures = [threads.submit(load.run, number) for number in range(num_clients)]
        try:
            yield load
        finally:
            load.stop()
        for future in futures:
            future.result()
    print(f"statuses {dict(load.statuses)}, slowest {load.slowest_s:.1f} s")
    assert not load.wrong, load.wrong[:3]
    assert load.slowest_s < MAX_WAIT_S
    assert platform.replicas().keys() == replicas  # Serve took none for dead


def wait_well(platform: WebPlatform, timeout_s: float = 30) -> None:
    """Wait until reading and writing succeed again."""
    with platform.http() as client:

        def is_well() -> bool:
            is_written = client.post(PROJECTS, json={"name": f"well {time.time_ns()}"}).status_code == 201
            return is_written and client.get(RUNS).status_code == 200 and client.get("/readyz").status_code == 200

        wait_until(is_well, "an API that reads and writes", timeout_s)


def check_undisturbed(platform: WebPlatform, run: HeldRun) -> None:
    with platform.http() as client:
        found = client.get(f"{RUNS}/{run.id}").json()
    assert (found["state"], found["attempt"]) == (RunState.RUNNING, 1)


def test_database_that_crashed_is_waited_for(
    platform: WebPlatform, postgres: PostgresServer, held_run: HeldRun
) -> None:  # row 19
    with under_load(platform) as load:
        wait_until(lambda: load.statuses[201] > 5, "a load")
        postgres.stop("immediate")
        wait_until(lambda: load.statuses[503] > 5, "refusals")
        with platform.http() as client:
            assert client.get("/healthz").status_code == 200
            readiness = client.get("/readyz")
            assert (readiness.status_code, "retry-after" in readiness.headers) == (503, True)
        postgres.start()
        wait_well(platform)
    check_undisturbed(platform, held_run)


def test_locked_table_is_waited_for_a_moment_and_then_refused(
    platform: WebPlatform, postgres: PostgresServer, held_run: HeldRun
) -> None:  # row 20
    with under_load(platform, num_clients=40) as load:
        wait_until(lambda: load.statuses[200] > 20, "a load")
        with psycopg.connect(address_of(platform)) as connection:
            lock(connection)
            wait_until(lambda: load.statuses[503] > 20, "refusals")
            with platform.http(timeout_s=5) as client:
                assert client.get("/healthz").status_code == 200
            connection.rollback()
        wait_well(platform)
    check_undisturbed(platform, held_run)


def test_database_without_a_free_connection_is_waited_for(platform: WebPlatform, held_run: HeldRun) -> None:  # row 20
    with under_load(platform) as load, ExitStack() as stack:
        wait_until(lambda: load.statuses[200] > 5, "a load")
        with contextlib.suppress(psycopg.OperationalError):
            for _ in range(100):
                stack.enter_context(psycopg.connect(address_of(platform)))
        time.sleep(3)
        stack.close()
        wait_well(platform)
    check_undisturbed(platform, held_run)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a disk")
def test_full_disk_of_the_database_refuses_writes_and_recovers_with_room(
    platform: WebPlatform, disk: Path, held_run: HeldRun
) -> None:  # row 22
    with under_load(platform) as load:
        wait_until(lambda: load.statuses[201] > 5, "a load")
        fill(disk / "filler")
        with platform.http() as client:
            fill_database(client)
            wait_until(lambda: client.get(RUNS).status_code == 200, "an API that reads", 60)
        (disk / "filler").unlink()
        wait_well(platform, 60)
    check_undisturbed(platform, held_run)


def lock(connection: psycopg.Connection[Any]) -> None:
    """Take both tables: somebody may hold the second and want the first, and PostgreSQL chooses who has to yield."""
    while True:
        try:
            connection.execute("LOCK TABLE runs, projects IN ACCESS EXCLUSIVE MODE")
        except psycopg.errors.DeadlockDetected:
            connection.rollback()
        else:
            return


def fill(file: Path) -> None:
    """Take all space that is left on a disk."""
    with file.open("wb") as opened, contextlib.suppress(OSError):
        while True:
            opened.write(bytes(1 << 16))
            opened.flush()


def fill_database(client: httpx2.Client) -> None:
    """Write until the database's own files have no room left either."""
    for number in range(10_000):
        body = {"name": f"filler {number} {time.time_ns()}", "description": os.urandom(9000).hex()}
        if client.post(PROJECTS, json=body).status_code in (503, 507):
            return
    raise AssertionError("the disk never was full")


def address_of(platform: WebPlatform) -> str:
    assert platform.settings.database_url is not None
    return platform.settings.database_url.replace("postgresql+psycopg", "postgresql")
