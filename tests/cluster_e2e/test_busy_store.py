"""Another program holds the store for a minute: what people are told, and that no run is harmed (row 21)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.live_platform import LivePlatform, held, rows_of

from utp.store.engines import SQLITE_FILE
from utp.store.errors import StoreBusy
from utp.store.states import Outcome, RunState

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]

BUSY_S = 60.0
SAID_WITHIN_S = 10.0
"""The store is waited for 5 s."""

HOLD = """
import sys
from pysqlite3 import dbapi2
connection = dbapi2.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_store(platform: LivePlatform) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD, str(platform.settings.home / SQLITE_FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        yield
        assert holder.stdin
        holder.stdin.close()


def test_store_that_is_busy_for_a_minute_costs_no_run_anything_and_is_said_at_once(
    platform: LivePlatform, undisturbed: list[dict[str, Any]]
) -> None:
    hold, ending_hold = platform.hold("busy"), platform.hold("ending")
    run_id, ending = platform.submit(held(hold, after=7)), platform.submit(held(ending_hold, after=7))
    for one in (hold, ending_hold):
        platform.wait_held(one)
    for one in (run_id, ending):
        platform.wait(one, lambda run: run.state is RunState.RUNNING)
    known = [run.id for run in platform.client.list_runs(project=None, limit=100)]
    with held_store(platform):
        since = time.monotonic()
        ending_hold.unlink()  # it ends meanwhile
        with pytest.raises(StoreBusy, match="try again in a few seconds"):
            platform.submit()
        assert time.monotonic() - since < SAID_WITHIN_S
        assert "is busy" in platform.refused("run", "stop", run_id)
        assert [run.id for run in platform.client.list_runs(project=None, limit=100)] == known
        time.sleep(max(0.0, BUSY_S - (time.monotonic() - since)))
    hold.unlink()
    for one in (ending, run_id):
        run = platform.wait_ended(one)
        assert [attempt.outcome for attempt in run.attempts] == [Outcome.SUCCEEDED]
        assert rows_of(platform.paths(run)) == undisturbed
    folders = sorted(path for path in (platform.folder / "shared" / "runs" / "digits").iterdir())
    named = [run.id for run in platform.client.list_runs(project=None, limit=100)]
    assert named == known
    assert len(folders) == len(known)  # nothing is left of the run that was refused
