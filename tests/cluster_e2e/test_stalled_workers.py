"""A worker that stands still: shown as stalled within a minute, with stacks, then killed and tried again (row 2)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.support.live_platform import LivePlatform, held, is_gone, rows_of, wait_until

from utp.errors import FailureKind
from utp.store.states import Health, Outcome, RunState

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]

STALLED_WITHIN_S = 60.0
HANG_LIMIT_S = 75.0
"""In place of half an hour."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePlatform]:
    more = {"UTP_HANG_LIMIT_S": str(HANG_LIMIT_S)}
    with LivePlatform(tmp_path_factory.mktemp("platform"), more=more) as platform:
        yield platform


def test_stopped_worker_of_two_is_shown_as_stalled_then_killed_and_the_next_attempt_goes_on(
    platform: LivePlatform,
) -> None:
    undisturbed_id = platform.submit(num_workers=2)
    hold = platform.hold("stalled")
    run_id = platform.submit(held(hold, after=7), num_workers=2)
    platform.wait_held(hold)
    run = platform.wait(run_id, lambda run: run.state is RunState.RUNNING)
    workers = [platform.worker(run, rank) for rank in (0, 1)]
    workers[1].suspend()
    stopped_at = time.monotonic()
    hold.unlink()  # rank 0 goes on, and waits for the other one
    run = platform.wait(run_id, lambda run: run.health is Health.STALLED)
    assert time.monotonic() - stopped_at < STALLED_WITHIN_S
    assert "no step for 4" in run.health_detail
    log = platform.paths(run).attempt(1).log(rank=0)
    wait_until(lambda: "Timeout (0:00:45)!" in log.read_text(), "the stacks of rank 0")
    assert "in all_reduce" in log.read_text() or "in backward" in log.read_text()
    run = platform.wait(run_id, lambda run: run.attempts[0].outcome is not None)
    assert (run.attempts[0].outcome, run.attempts[0].failure_kind) == (Outcome.FAILED, FailureKind.TIMEOUT)
    assert "hung: no step for" in str(run.attempts[0].message)
    assert run.state is RunState.QUEUED
    wait_until(lambda: all(is_gone(worker.pid) for worker in workers), "the end of the workers")
    run = platform.wait_ended(run_id)
    assert [attempt.outcome for attempt in run.attempts][1:] == [Outcome.SUCCEEDED]
    assert rows_of(platform.paths(run)) == rows_of(platform.paths(platform.client.get(undisturbed_id)))
