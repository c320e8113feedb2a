"""Processes of a real platform are killed; a run that was hit goes on and ends with the numbers of an undisturbed one.

Row numbers are those of the fault matrix that the tests were planned by.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from tests.support.live_platform import LivePlatform, held, is_gone, result_of, rows_of, wait_until

from utp.cluster.shutdown import close_admission, open_admission
from utp.errors import FailureKind
from utp.store.policy import LEASE_S
from utp.store.recorder import Recorder
from utp.store.repositories.runs import RunDetail
from utp.store.states import Outcome, RunState

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]

Rows = list[dict[str, Any]]
LOST_WITHIN_S = 60.0
"""A dead run is shown as such after this time at the latest."""


def wait_lost(platform: LivePlatform, run_id: str, since: float) -> RunDetail:
    """Wait until the first attempt has ended by itself in the store; check that this came soon enough."""
    run = platform.wait(run_id, lambda run: run.attempts[0].outcome is not None)
    assert time.monotonic() - since < LOST_WITHIN_S
    return run


def check_second_attempt_ends_it(platform: LivePlatform, run_id: str, rows: Rows) -> RunDetail:
    run = platform.wait_ended(run_id)
    assert [attempt.outcome for attempt in run.attempts][1:] == [Outcome.SUCCEEDED]
    assert rows_of(platform.paths(run)) == rows
    return run


def ask_ray(platform: LivePlatform, path: str) -> Any:
    token = {"Authorization": f"Bearer {Path(platform.cluster.token_file).read_text()}"}
    with urlopen(Request(f"{platform.cluster.dashboard}{path}", headers=token)) as answer:
        return json.load(answer)


def start_held(platform: LivePlatform, name: str, **request: int) -> tuple[str, Path, int]:
    """Return a run that stands in step 8, the file that holds it, and the process id of a worker of it."""
    hold = platform.hold(name)
    run_id = platform.submit(held(hold, after=7), **request)
    worker = platform.wait_held(hold)
    platform.wait(run_id, lambda run: run.state is RunState.RUNNING)
    return run_id, hold, worker


def kill_driver(platform: LivePlatform, run_id: str, trainer: int) -> None:
    platform.kill(platform.driver(run_id).pid)


def kill_supervisor(platform: LivePlatform, run_id: str, trainer: int) -> None:
    platform.kill(platform.driver(run_id).ppid())


def kill_trainer(platform: LivePlatform, run_id: str, trainer: int) -> None:
    platform.kill(trainer)


@pytest.mark.parametrize("hit", [kill_driver, kill_supervisor, kill_trainer])
def test_killed_process_of_a_run_is_lost_within_a_minute_and_the_next_attempt_goes_on(
    platform: LivePlatform, undisturbed: Rows, hit: Callable[[LivePlatform, str, int], None]
) -> None:  # rows 6, 7 and 1
    run_id, hold, trainer = start_held(platform, hit.__name__)
    job = [trainer, platform.driver(run_id).pid]
    killed_at = time.monotonic()
    hit(platform, run_id, trainer)
    run = wait_lost(platform, run_id, killed_at)
    assert (run.attempts[0].outcome, run.attempts[0].failure_kind) == (Outcome.LOST, FailureKind.LOST)
    assert run.attempts[0].message
    wait_until(lambda: all(is_gone(pid) for pid in job), "the end of the job's processes")
    hold.unlink()
    run = check_second_attempt_ends_it(platform, run_id, undisturbed)
    assert run.attempts[1].start_step == 6  # of the newest checkpoint: every second step has one


def test_killed_worker_of_two_is_named_by_its_rank_and_the_next_attempt_goes_on(platform: LivePlatform) -> None:
    undisturbed_id = platform.submit(num_workers=2)  # row 1
    run_id, hold, _ = start_held(platform, "one-of-two", num_workers=2)
    killed = platform.worker(platform.client.get(run_id), rank=1)
    killed_at = time.monotonic()
    killed.kill()
    run = wait_lost(platform, run_id, killed_at)
    assert (run.attempts[0].failure_kind, run.attempts[0].rank) == (FailureKind.LOST, 1)
    assert "the process of rank 1 died" in str(run.attempts[0].message)
    hold.unlink()
    rows = rows_of(platform.paths(platform.wait_ended(undisturbed_id)))
    run = check_second_attempt_ends_it(platform, run_id, rows)
    assert run.attempts[1].start_step == 6


def test_run_that_left_its_result_has_succeeded_whatever_ray_says(platform: LivePlatform) -> None:  # row 13
    run_id, hold, _ = start_held(platform, "ray-lies")
    driver = platform.driver(run_id)
    driver.suspend()  # it will not see the end of the process that trains for it
    hold.unlink()
    paths = platform.paths(platform.client.get(run_id))
    wait_until(lambda: result_of(paths).get("outcome") == "succeeded", "result.json")
    platform.kill(driver.pid)
    run = platform.wait_ended(run_id)
    job = f"/api/jobs/{run.attempts[0].submission_id}"
    wait_until(lambda: ask_ray(platform, job)["status"] == "FAILED", "Ray's word")
    run = platform.client.get(run_id)
    assert (run.state, [attempt.outcome for attempt in run.attempts]) == (RunState.SUCCEEDED, [Outcome.SUCCEEDED])


def test_submission_that_was_cut_off_is_made_once(platform: LivePlatform, undisturbed: Rows) -> None:  # row 15
    close_admission(platform.settings.home)
    time.sleep(3)  # the dispatcher's step that may be under way
    run_id = platform.submit()
    assert Recorder(platform.client.database).begin_submission(run_id) is not None  # here its dispatcher died
    open_admission(platform.settings.home)
    run = platform.wait_ended(run_id)
    assert [attempt.outcome for attempt in run.attempts] == [Outcome.SUCCEEDED]
    assert rows_of(platform.paths(run)) == undisturbed
    ours = [job["submission_id"] for job in ask_ray(platform, "/api/jobs/") if run_id in str(job["submission_id"])]
    assert ours in ([run.attempts[0].submission_id], [])  # a job that is over is forgotten after a while


@pytest.mark.parametrize("actor", ["HeadActor", "GpuRegistryActor", "DispatcherActor"])
def test_killed_actor_comes_back_and_the_run_does_not_notice(
    platform: LivePlatform, undisturbed: Rows, actor: str
) -> None:  # row 18
    run_id, hold, _ = start_held(platform, actor)
    (old,) = platform.processes(f"ray::{actor}")
    platform.kill(old.pid)
    wait_until(lambda: [new for new in platform.processes(f"ray::{actor}") if new.pid != old.pid], "a new actor")
    hold.unlink()
    run = platform.wait_ended(run_id)
    assert [attempt.outcome for attempt in run.attempts] == [Outcome.SUCCEEDED]
    assert rows_of(platform.paths(run)) == undisturbed
    assert platform.wait_ended(platform.submit()).state is RunState.SUCCEEDED  # all three are of use again


def test_head_that_hangs_for_longer_than_a_lease_costs_no_run_anything(
    platform: LivePlatform, undisturbed: Rows
) -> None:
    run_id, hold, _ = start_held(platform, "hung-head")
    (head,) = platform.processes("ray::HeadActor")
    head.suspend()
    try:
        time.sleep(LEASE_S + 15.0)
    finally:
        head.resume()
    hold.unlink()
    run = platform.wait_ended(run_id)
    assert [attempt.outcome for attempt in run.attempts] == [Outcome.SUCCEEDED]
    assert rows_of(platform.paths(run)) == undisturbed
