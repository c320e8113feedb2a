"""One real platform for all tests here: Ray, two replicas on Ray Serve, a PostgreSQL on a small disk, real runs."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.live_platform import CONFIG, held
from tests.support.postgres import PostgresServer, find_programs
from tests.support.web_platform import WebPlatform

from utp.store.repositories.runs import RunDetail
from utp.store.states import RunState

POSTGRES = {"max_connections": "60", "min_wal_size": "32MB", "max_wal_size": "64MB"}
DISK = "160m"


class TwoReplicas(WebPlatform):
    up_options = ("--replicas", "2")


@dataclass(frozen=True)
class HeldRun:
    """A run that stands in its third step, with a log that a test writes to as the run would."""

    id: str
    log: Path

    def write(self, data: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(data)


@pytest.fixture(scope="session")
def disk() -> Iterator[Path | None]:
    """A small disk of its own; none where we may not mount one."""
    if os.geteuid() != 0:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="utp-disk-", dir="/tmp"))  # where the server's own user gets to
    with ExitStack() as stack:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(folder)], check=True)
        stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
        yield folder
    folder.rmdir()


@pytest.fixture(scope="session")
def postgres(disk: Path | None) -> Iterator[PostgresServer]:
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not installed: apt-get install postgresql")
    with PostgresServer.started(programs, POSTGRES, data_below=disk) as server:
        yield server


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[WebPlatform]:
    url = postgres.new_database()
    with TwoReplicas(tmp_path_factory.mktemp("serve"), has_web=True, database_url=url) as platform:
        yield platform


@pytest.fixture(scope="session")
def finished(platform: WebPlatform) -> RunDetail:
    """A run that has trained to its end on this platform."""
    return platform.wait_ended(platform.submit())


@pytest.fixture(scope="session")
def held_run(platform: WebPlatform) -> Iterator[HeldRun]:
    """A run that nothing of what happens to the dashboard may disturb: it ends well, in its first attempt."""
    hold = platform.hold("held")
    run_id = platform.submit(held(hold, CONFIG, after=2))
    platform.wait_held(hold)
    platform.wait(run_id, lambda run: run.state is RunState.RUNNING)  # what it said last may be on its way
    yield HeldRun(run_id, platform.paths(platform.client.get(run_id)).attempt(1).log(rank=0))
    hold.unlink()
    assert platform.wait_ended(run_id).attempt == 1
