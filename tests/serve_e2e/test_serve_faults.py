"""Processes of Ray Serve are killed or stand still: traffic goes on, followers come back to where they were."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable

import httpx2
import psutil
import pytest
from tests.serve_e2e.conftest import HeldRun
from tests.serve_e2e.following import Follower, numbered
from tests.support.live_platform import CONFIG, wait_until
from tests.support.web_platform import WebPlatform

from utp.config.loading import dump_config
from utp.store.states import RunState

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(900)]

RUNS = "/api/v1/runs"
PROJECTS = "/api/v1/projects"


@pytest.fixture(autouse=True)
def whole(platform: WebPlatform) -> None:
    """Each test begins with two replicas that answer."""
    wait_until(lambda: len(platform.replicas()) == 2 and answers(platform, 10), "two replicas that answer")


def answers(platform: WebPlatform, in_a_row: int = 1) -> bool:
    with contextlib.suppress(httpx2.HTTPError), platform.http(timeout_s=5) as client:
        return all(client.get(PROJECTS).status_code == 200 for _ in range(in_a_row))
    return False


def disturbed(platform: WebPlatform, run: HeldRun, disturb: Callable[[], None]) -> tuple[list[Follower], float]:
    """Return followers that missed nothing, and the seconds until the API answered again without fail."""
    start = num_lines(platform, run)
    followers = [Follower(platform, run.id, start) for _ in range(4)]

    async def follow() -> float:
        tasks = [asyncio.create_task(one.follow(until=start + 399)) for one in followers]
        run.write(numbered(0, 100))
        await asyncio.to_thread(wait_until, lambda: all(one.next_line >= start + 100 for one in followers), "lines")
        began = time.monotonic()
        await asyncio.to_thread(disturb)
        run.write(numbered(100, 300))
        await asyncio.to_thread(wait_until, lambda: answers(platform, 5), "an API that answers", 180)
        took_s = time.monotonic() - began
        run.write(numbered(300, 400))
        await asyncio.gather(*tasks)
        return took_s

    took_s = asyncio.run(follow())
    for one in followers:
        assert len(one.heard) >= 400  # a run that stands still for long writes its stacks meanwhile
        assert one.heard == list(range(start, start + len(one.heard)))
    with platform.http() as client:
        assert client.get(f"{RUNS}/{run.id}").json()["state"] == RunState.RUNNING
    return followers, took_s


def num_lines(platform: WebPlatform, run: HeldRun) -> int:
    with platform.http() as client:
        page = client.get(f"{RUNS}/{run.id}/logs", params={"start": -1, "limit": 1, "attempt": 1}).json()
    return int(page["num_lines"])


def test_killed_replica_costs_a_reconnect(platform: WebPlatform, held_run: HeldRun) -> None:
    victim = min(platform.replicas())
    followers, took_s = disturbed(platform, held_run, lambda: os.kill(victim, signal.SIGKILL))
    print(f"a replica was killed: {took_s:.1f} s, connections {[one.num_connections for one in followers]}")
    assert took_s < 30
    assert all(one.num_connections <= 3 for one in followers)


def test_wedged_replica_is_replaced(platform: WebPlatform, held_run: HeldRun) -> None:  # row 16
    victim = psutil.Process(min(platform.replicas()))
    try:
        _, took_s = disturbed(platform, held_run, victim.suspend)
        wait_until(lambda: len(platform.replicas().keys() - {victim.pid}) == 2, "a new replica", 120)
        print(f"a replica stood still: {took_s:.1f} s until the API answered without fail")
        assert took_s < 120
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()


def test_killed_controller_of_serve_disturbs_nobody_and_comes_back(platform: WebPlatform, held_run: HeldRun) -> None:
    """Row 17; its proxy's case is in test_serve_yaml.py, since `utp up` starts none."""
    with platform.http() as client:
        before = client.get(PROJECTS).json()
    (victim,) = platform.processes("ServeController")
    followers, took_s = disturbed(platform, held_run, victim.kill)
    print(f"Serve's controller was killed: {took_s:.1f} s until the API answered without fail")
    assert took_s < 30
    assert [one.num_connections for one in followers] == [1] * len(followers)
    with platform.http() as client:
        assert client.get(PROJECTS).json() == before
    wait_until(lambda: platform.processes("ServeController"), "a new controller", 60)
    assert not platform.processes("ProxyActor")


def test_new_version_takes_over_while_two_hundred_follow(platform: WebPlatform, held_run: HeldRun) -> None:
    """Rows 25 and 50: every client is cut off, comes back, and has each line once."""
    old = platform.replicas().keys()
    start = num_lines(platform, held_run)
    followers = [Follower(platform, held_run.id, start) for _ in range(200)]

    async def follow() -> None:
        tasks = [asyncio.create_task(one.follow(until=start + 999, timeout_s=400)) for one in followers]
        held_run.write(numbered(0, 300))
        await asyncio.to_thread(wait_until, lambda: all(one.next_line >= start + 300 for one in followers), "lines")
        deploy = asyncio.create_task(asyncio.to_thread(deploy_again, platform))
        for _ in range(60):
            held_run.write(b"while it is deployed\n" * 5)
            await asyncio.sleep(0.5)
        await deploy
        held_run.write(b"afterwards\n" * 1000)
        await asyncio.gather(*tasks)

    asyncio.run(follow())
    assert not old & platform.replicas().keys()
    for one in followers:
        assert one.heard[:1000] == list(range(start, start + 1000))
        assert one.num_connections > 1


def deploy_again(platform: WebPlatform) -> None:
    """Deploy the dashboard as a new version of it is."""
    program = (
        "import ray; from utp.entrypoints.serve import start_dashboard; "
        f"ray.init(address='auto', log_to_driver=False); start_dashboard('127.0.0.1', {platform.web_port}, 2)"
    )
    environment = {**platform.token, "RAY_ADDRESS": platform.cluster.address}
    platform.run(sys.executable, "-c", program, environment=environment)


def test_lost_answer_is_asked_for_again_and_creates_nothing_twice(platform: WebPlatform) -> None:  # row 31
    with platform.http() as client:
        project_id = client.post(PROJECTS, json={"name": "lost answers"}).json()["id"]
        body = {"project_id": project_id, "config": dump_config(CONFIG), "request": {"num_workers": 1}}
        asked = client.build_request("POST", RUNS, json=body, headers={"Idempotency-Key": "the same"})
        for wait_s in (0.0, 0.05, 0.3):
            with socket.create_connection(("localhost", platform.web_port or 0)) as connection:
                connection.sendall(raw(asked))
                time.sleep(wait_s)  # and it is gone, at any moment of the server's work
        created = client.send(asked)
        assert created.status_code == 201, created.text
        listed = client.get(RUNS, params={"project_id": project_id}).json()
        assert [run["id"] for run in listed["items"]] == [created.json()["id"]]
        client.post(f"{RUNS}/{created.json()['id']}/stop")


def raw(asked: httpx2.Request) -> bytes:
    """Return a request as it goes over the wire."""
    head = [f"{asked.method} {asked.url.raw_path.decode()} HTTP/1.1"]
    head += [f"{name}: {value}" for name, value in asked.headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + asked.read()
