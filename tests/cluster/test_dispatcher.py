from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url
from tests.support.dispatching import Stage
from tests.support.machines import gpu, node

from utp.cluster.dispatcher import GONE_GRACE_S, KILL_GRACE_S, STOP_GRACE_S
from utp.cluster.job_client import ClusterUnreachable, JobStatus
from utp.cluster.leadership import Leadership
from utp.cluster.limits import Policy
from utp.errors import FailureKind
from utp.store.database import Database
from utp.store.engines import open_engine
from utp.store.errors import StoreBusy, StoreUnavailable
from utp.store.policy import LEASE_S
from utp.store.states import Health, Outcome, RunState, Wish


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def running(stage: Stage) -> str:
    run_id = stage.submit()
    stage.step()
    stage.begin(run_id)
    return run_id


def test_queued_run_becomes_a_ray_job_with_everything_it_needs(stage: Stage) -> None:
    run_id = stage.submit()
    stage.step()
    assert stage.state(run_id) is RunState.STARTING
    spec = stage.jobs.jobs[f"run-{run_id}-a1"].spec
    assert spec.entrypoint.startswith(
        f"exec python -m utp.entrypoints.job --run-id {run_id} --attempt 1 --config-json '{{"
    )
    assert (spec.num_cpus, spec.num_gpus, spec.node_id) == (1.0, 0, "a")


def test_chosen_gpus_are_named_over_rays_choice(stage: Stage) -> None:
    stage.machines.states = [node("a", gpus=[gpu(0, foreign=True), gpu(1)])]
    run_id = stage.submit()
    stage.step()
    spec = stage.jobs.jobs[stage.job_id(run_id)].spec
    assert spec.entrypoint.startswith("export CUDA_VISIBLE_DEVICES=GPU-1; exec python")
    assert spec.num_gpus == 1


def test_several_workers_are_placed_by_a_driver_that_needs_nothing(stage: Stage) -> None:
    run_id = stage.submit(num_workers=2)
    stage.step()
    spec = stage.jobs.jobs[stage.job_id(run_id)].spec
    assert (spec.num_cpus, spec.num_gpus, spec.node_id) == (0, 0, None)


def test_what_does_not_fit_stays_out_of_ray_and_says_why(stage: Stage) -> None:
    runs = [stage.submit() for _ in range(4)]
    stage.step()
    assert len(stage.jobs.jobs) == 2
    assert stage.run(runs[2]).wait_reason == "place 1 in line: waits for 1 core: none is free"
    assert "place 2 in line: waits for 1 core, behind run" in stage.run(runs[3]).wait_reason


def test_crash_between_commit_and_submit_is_submitted_once(stage: Stage) -> None:
    run_id = stage.submit()
    assert stage.recorder.begin_submission(run_id) is not None
    stage.restart()
    stage.step()
    stage.step()
    assert stage.jobs.submitted == [f"run-{run_id}-a1"]
    assert stage.state(run_id) is RunState.STARTING


def test_crash_between_submit_and_its_record_is_not_submitted_again(stage: Stage) -> None:
    run_id = stage.submit()
    stage.step()
    stage.jobs.run(stage.job_id(run_id))
    with stage.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET state = 'submitting'")
    stage.restart()
    stage.step()
    assert stage.state(run_id) is RunState.STARTING
    assert len(stage.jobs.submitted) == 1


def test_ray_that_is_down_costs_nothing_but_time(stage: Stage) -> None:
    run_id = stage.submit()
    stage.jobs.is_down = True
    with pytest.raises(ClusterUnreachable):
        stage.step()
    stage.jobs.is_down = False
    stage.step()
    assert stage.jobs.submitted == [f"run-{run_id}-a1"]


def test_result_decides_whatever_ray_says(stage: Stage, running: str) -> None:
    stage.write_result(running, outcome="succeeded", metrics={"val_acc@1": 0.9}, step=100, epoch=1)
    stage.jobs.end(stage.job_id(running), JobStatus.FAILED, "the head was away")
    stage.step()
    assert stage.state(running) is RunState.SUCCEEDED
    assert stage.run(running).metrics == {"val_acc@1": 0.9}


def test_result_is_taken_also_while_ray_is_down(stage: Stage, running: str) -> None:
    stage.write_result(running, outcome="failed", kind="nan", message="loss is not finite")
    stage.jobs.is_down = True
    stage.step()
    assert stage.state(running) is RunState.FAILED
    assert stage.run(running).failure_kind is FailureKind.NAN


def test_forgotten_job_is_lost_and_tried_again_as_the_next_attempt(stage: Stage, running: str) -> None:
    stage.jobs.forget()
    stage.watch(LEASE_S + 1)
    stage.step(GONE_GRACE_S)
    assert stage.state(running) is RunState.QUEUED
    assert stage.attempts(running)[0].outcome is Outcome.LOST
    stage.step(60)
    assert stage.jobs.submitted == [f"run-{running}-a1", f"run-{running}-a2"]


def test_worker_that_is_heard_of_is_believed_more_than_ray(stage: Stage, running: str) -> None:
    stage.jobs.end(stage.job_id(running), JobStatus.FAILED)
    for step in range(1, 6):
        stage.now += LEASE_S / 2
        stage.beat(running, step)
        stage.step()
    assert stage.state(running) is RunState.RUNNING


def test_silent_worker_is_stopped_in_ray_before_it_is_replaced(stage: Stage, running: str) -> None:
    stage.watch(LEASE_S + 1)
    assert stage.jobs.jobs[stage.job_id(running)].is_stop_asked
    assert stage.state(running) is RunState.RUNNING
    stage.jobs.obey()
    stage.step(1)
    stage.step(GONE_GRACE_S)
    assert stage.state(running) is RunState.QUEUED


def test_workers_get_the_time_of_a_lease_to_be_heard_after_the_store_was_away(stage: Stage, running: str) -> None:
    stage.step(600)  # nobody looked, and no worker could renew its lease
    stage.watch(LEASE_S - 5)
    assert stage.state(running) is RunState.RUNNING
    assert not stage.jobs.jobs[stage.job_id(running)].is_stop_asked
    stage.beat(running)
    stage.watch(LEASE_S - 5)
    assert not stage.jobs.jobs[stage.job_id(running)].is_stop_asked


def test_workers_get_the_time_of_a_lease_after_another_program_held_the_store(
    stage: Stage, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_in_vain() -> None:
        stage.now += 5
        raise StoreBusy("store", "database is locked")

    stage.watch(LEASE_S)  # no beat could be written, and reading goes on
    with monkeypatch.context() as patch:
        patch.setattr(stage.recorder, "check_writable", wait_in_vain)
        with pytest.raises(StoreBusy):
            stage.step(1)
    stage.watch(LEASE_S - 5)
    assert not stage.jobs.jobs[stage.job_id(running)].is_stop_asked
    stage.watch(10)
    assert stage.jobs.jobs[stage.job_id(running)].is_stop_asked


def test_job_that_can_not_be_killed_is_given_up(stage: Stage, running: str) -> None:
    stage.watch(LEASE_S + 1)
    stage.watch(KILL_GRACE_S)
    assert stage.attempts(running)[0].outcome is Outcome.LOST


def test_dead_run_is_shown_as_such_within_a_minute(stage: Stage, running: str) -> None:
    stage.jobs.end(stage.job_id(running), JobStatus.FAILED, "Job entrypoint command failed with exit code -9")
    for _ in range(50):
        stage.step(1)
    assert stage.attempts(running)[0].outcome is Outcome.LOST


def test_job_that_dies_before_its_first_word_fails_with_its_last_one(stage: Stage) -> None:
    run_id = stage.submit()
    stage.step()
    output = "last available logs:\nTraceback\nModuleNotFoundError: no torch\n"
    stage.jobs.end(stage.job_id(run_id), JobStatus.FAILED, f"Job entrypoint command failed with exit code 1, {output}")
    stage.step()
    stage.step(GONE_GRACE_S)
    assert stage.state(run_id) is RunState.FAILED
    assert stage.run(run_id).message == "its job ended with exit code 1: ModuleNotFoundError: no torch"


def test_stop_of_a_starting_run_goes_to_ray_at_once(stage: Stage) -> None:
    run_id = stage.submit()
    stage.step()
    stage.recorder.set_wish(run_id, Wish.STOP, by="ann")
    stage.step()
    stage.jobs.obey()
    stage.step()
    stage.step(GONE_GRACE_S)
    assert stage.state(run_id) is RunState.STOPPED


def test_stop_between_commit_and_submit_never_reaches_ray(stage: Stage) -> None:
    run_id = stage.submit()
    stage.recorder.begin_submission(run_id)
    stage.recorder.set_wish(run_id, Wish.STOP, by="ann")
    stage.step()
    stage.step(GONE_GRACE_S)
    assert stage.state(run_id) is RunState.STOPPED
    assert stage.jobs.submitted == []


def test_running_run_saves_and_leaves_by_itself_when_stopped(stage: Stage, running: str) -> None:
    for _ in range(3):
        stage.recorder.set_wish(running, Wish.STOP, by="ann")
        stage.step(1)
    assert not stage.jobs.jobs[stage.job_id(running)].is_stop_asked
    assert stage.beat(running) is Wish.STOP
    stage.write_result(running, outcome="stopped", kind="stopped")
    stage.step()
    assert stage.state(running) is RunState.STOPPED


def test_run_that_does_not_leave_is_stopped_by_ray(stage: Stage, running: str) -> None:
    stage.recorder.set_wish(running, Wish.PAUSE, by="ann")
    for step in range(int(STOP_GRACE_S // 20) + 2):
        stage.beat(running, step)
        stage.step(20)
    assert stage.jobs.jobs[stage.job_id(running)].is_stop_asked
    stage.jobs.obey()
    stage.watch(LEASE_S + 1)
    stage.step(GONE_GRACE_S)
    assert stage.state(running) is RunState.PAUSED


def test_run_over_its_time_limit_is_asked_to_stop(stage: Stage) -> None:
    run_id = stage.submit(max_run_time_s=20.0)
    stage.step()
    stage.begin(run_id)
    stage.step(21)
    assert stage.run(run_id).wish is Wish.STOP
    assert stage.run(run_id).wished_by == "its limit of 20 s"


def test_project_holds_no_more_gpus_than_its_limit(stage: Stage) -> None:
    stage.machines.states = [node("a", cpus=8, gpus=2)]
    stage.recorder.set_project("default", max_gpus=1)
    first, second = (stage.submit(gpus_per_worker=1, cpus_per_worker=1) for _ in range(2))
    stage.step()
    assert (stage.state(first), stage.state(second)) == (RunState.STARTING, RunState.QUEUED)
    assert "1 GPU at a time, 1 is in use" in stage.run(second).wait_reason


def test_run_without_a_step_is_stalled_then_well_again(stage: Stage, running: str) -> None:
    for _ in range(12):
        stage.beat(running, 1)
        stage.step(5)
    assert stage.run(running).health is Health.STALLED
    stage.beat(running, 2)
    stage.step()
    assert stage.run(running).health is Health.OK


def test_run_that_hangs_is_killed_and_tried_again(stage: Stage, running: str) -> None:
    for _ in range(int(Policy().hang_limit_s // 8) + 2):
        stage.beat(running, 1)
        stage.step(8)
    stage.jobs.obey()
    stage.watch(LEASE_S + 1)
    stage.step(GONE_GRACE_S)
    assert stage.state(running) is RunState.QUEUED
    assert stage.attempts(running)[0].failure_kind is FailureKind.TIMEOUT


def test_job_without_a_live_attempt_is_stopped_then_forgotten(stage: Stage, running: str) -> None:
    stage.step()
    stage.write_result(running, outcome="succeeded")
    stage.step()
    stage.step(61)
    job = stage.jobs.jobs[f"run-{running}-a1"]
    assert job.is_stop_asked
    stage.jobs.obey()
    stage.step(61)
    assert stage.jobs.jobs == {}


def test_preempted_run_makes_room_and_queues_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Policy(may_preempt=True))
    low = stage.submit(cpus_per_worker=2, priority=-1)
    stage.step()
    stage.begin(low)
    high = stage.submit(cpus_per_worker=2)
    stage.step()
    assert stage.beat(low) is Wish.PREEMPT
    stage.write_result(low, outcome="stopped")
    stage.step()
    assert stage.state(low) is RunState.QUEUED
    assert stage.attempts(low)[0].outcome is Outcome.PREEMPTED
    assert stage.state(high) is RunState.STARTING


def test_restarted_dispatcher_goes_on_where_the_old_one_was(stage: Stage, running: str) -> None:
    waiting = [stage.submit() for _ in range(2)]
    stage.step()
    stage.restart()
    stage.step()
    assert stage.state(running) is RunState.RUNNING
    assert [stage.state(run_id) for run_id in waiting] == [RunState.STARTING, RunState.QUEUED]
    assert len(stage.jobs.submitted) == 2


def test_only_one_process_leads(stage: Stage) -> None:
    first, second = Leadership(stage.database), Leadership(stage.database)
    assert first.is_held()
    assert first.is_held()
    assert not second.is_held()
    first.close()
    assert second.is_held()
    second.close()


@pytest.mark.parametrize("content", ['{"outcome": "wonderful"}', '{"outcome": "failed", "kind": 7}', '{"outcome": []}'])
def test_result_that_makes_no_sense_counts_as_missing_and_holds_up_nobody(
    stage: Stage, running: str, content: str
) -> None:
    other = stage.submit()
    stage.write_result(running)
    (Path(stage.run(running).run_dir) / "attempts" / "1" / "result.json").write_text(content)
    stage.jobs.end(stage.job_id(running), JobStatus.FAILED, "Job failed with exit code 1: traceback")
    stage.step()
    assert stage.state(other) is RunState.STARTING
    stage.watch(2 * LEASE_S)
    assert stage.run(running).failure_kind is FailureKind.INTERNAL


def test_run_whose_folder_can_not_be_read_holds_up_nobody(stage: Stage, running: str) -> None:
    other = stage.submit()
    Path(stage.run(running).run_dir, "attempts").write_text("a file in the way")
    stage.step()
    assert stage.state(other) is RunState.STARTING
    stage.jobs.forget()
    stage.watch(2 * LEASE_S)
    assert stage.attempts(running)[0].outcome is Outcome.LOST


def test_database_that_is_away_is_named_by_who_wants_to_lead() -> None:
    url = make_url("postgresql+psycopg://user:secret@127.0.0.1:1/utp")
    with pytest.raises(StoreUnavailable, match="can't be reached") as caught:
        Leadership(Database(open_engine(url))).is_held()
    assert "secret" not in str(caught.value)


def test_no_run_is_given_up_while_the_head_can_hear_nobody(stage: Stage, running: str) -> None:
    stage.is_head_there = False
    stage.watch(4 * LEASE_S)
    assert stage.state(running) is RunState.RUNNING
    assert not stage.jobs.jobs[stage.job_id(running)].is_stop_asked
    stage.is_head_there = True
    stage.watch(LEASE_S - 10)
    stage.beat(running)
    stage.watch(LEASE_S - 5)
    assert not stage.jobs.jobs[stage.job_id(running)].is_stop_asked
    stage.watch(LEASE_S)
    assert stage.jobs.jobs[stage.job_id(running)].is_stop_asked


def test_head_that_is_back_just_in_time_has_the_time_of_a_lease_to_hear(stage: Stage, running: str) -> None:
    stage.watch(5)
    stage.is_head_there = False
    stage.watch(LEASE_S - 10)
    stage.is_head_there = True
    stage.watch(LEASE_S - 5)
    assert not stage.jobs.jobs[stage.job_id(running)].is_stop_asked
    stage.watch(10)
    assert stage.jobs.jobs[stage.job_id(running)].is_stop_asked
