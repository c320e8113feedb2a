"""Ray's head dies with all it remembers: what people see meanwhile, and how runs go on once it is there again (row 11).

Each test leaves another Ray behind than it found.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.support.live_platform import LivePlatform, held, is_gone, rows_of, wait_until

from utp.errors import FailureKind
from utp.store.states import Health, Outcome, RunState

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]

SHOWN_WITHIN_S = 60.0


@pytest.mark.parametrize("process", ["gcs_server", "raylet"])
def test_run_of_a_dead_head_is_shown_as_silent_then_lost_and_goes_on_at_the_next_up(
    platform: LivePlatform, undisturbed: list[dict[str, Any]], process: str
) -> None:
    hold = platform.hold(process)
    run_id, waiting = platform.submit(held(hold, after=7)), platform.submit(cpus_per_worker=8)
    trainer = platform.wait_held(hold)
    platform.wait(run_id, lambda run: run.state is RunState.RUNNING)
    driver = platform.driver(run_id)
    (victim,) = (one for one in platform.processes(f"/{process}") if one.name() == process)
    killed_at = time.monotonic()
    victim.kill()
    run = platform.wait(run_id, lambda run: run.health is Health.SILENT)
    assert time.monotonic() - killed_at < SHOWN_WITHIN_S
    assert "nothing was heard of its worker for" in run.health_detail
    assert "utp is down: Ray died" in platform.refused("status")
    (shown,) = (one for one in json.loads(platform.utp("run", "list", "--json")) if one["id"] == run_id)
    assert (shown["state"], shown["health"]) == ("running", "silent")
    wait_until(lambda: is_gone(driver.pid) and is_gone(trainer), "the end of the job's processes")
    hold.unlink()
    platform.up()
    run = platform.wait_ended(run_id)
    assert [attempt.outcome for attempt in run.attempts] == [Outcome.LOST, Outcome.SUCCEEDED]
    assert run.attempts[0].failure_kind is FailureKind.LOST
    assert "its head was started anew" in str(run.attempts[0].message)
    assert rows_of(platform.paths(run)) == undisturbed
    assert [attempt.outcome for attempt in platform.wait_ended(waiting).attempts] == [Outcome.SUCCEEDED]
