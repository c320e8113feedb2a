"""Live runs that nobody hears of, as lists and the run's own page say it."""

from __future__ import annotations

from collections.abc import Callable

from tests.store.conftest import Clock

from utp.store.database import Database
from utp.store.policy import LEASE_S, START_LEASE_S
from utp.store.recorder import Recorder
from utp.store.recorder.inventory import AgentFacts
from utp.store.repositories.run_lists import RunFilter, RunLists
from utp.store.repositories.runs import RunRepository
from utp.store.states import Health

Queue = Callable[[], str]
PLAN = {"host": "a", "pid": 1, "start_step": 0, "total_steps": 100, "epochs": 2}
HEAD = AgentFacts(id="n1", hostname="box", address="10.0.0.1")


def health_of(database: Database, run_id: str) -> tuple[Health, str]:
    """The health that the run's page, the list of the CLI and that of the page agree on."""
    run = RunRepository(database).get(run_id)
    (row,) = RunRepository(database).list_runs()
    (listed,) = RunLists(database).read(RunFilter()).runs
    assert row.health is run.health is listed.health
    assert listed.health_detail == run.health_detail
    return run.health, run.health_detail


def test_run_that_starts_is_silent_once_its_cluster_was_not_heard_of_for_a_lease(
    recorder: Recorder, queue: Queue, database: Database, clock: Clock
) -> None:
    recorder.upsert_agent(HEAD)
    run_id = queue()
    recorder.begin_submission(run_id)
    clock.now += LEASE_S - 1
    assert health_of(database, run_id)[0] is Health.OK
    clock.now += 2
    assert health_of(database, run_id) == (Health.SILENT, "nothing was heard of the cluster for 31 s: `utp status`")
    recorder.mark_submitted(run_id, 1, placement={})
    assert health_of(database, run_id)[0] is Health.SILENT
    recorder.upsert_agent(HEAD)
    assert health_of(database, run_id)[0] is Health.OK


def test_long_start_on_a_cluster_that_is_there_is_no_silence(
    recorder: Recorder, queue: Queue, database: Database, clock: Clock
) -> None:
    run_id = queue()
    recorder.begin_submission(run_id)
    recorder.mark_submitted(run_id, 1, placement={})
    for _ in range(int(START_LEASE_S / LEASE_S)):
        recorder.upsert_agent(HEAD)
        assert health_of(database, run_id)[0] is Health.OK
        clock.now += LEASE_S
    clock.now += 1
    recorder.upsert_agent(HEAD)
    assert health_of(database, run_id) == (Health.SILENT, "nothing was heard of its worker for 31 s")


def test_run_that_trains_is_silent_by_its_own_lease_alone(
    recorder: Recorder, queue: Queue, database: Database, clock: Clock
) -> None:
    recorder.upsert_agent(HEAD)
    run_id = queue()
    recorder.begin_submission(run_id)
    recorder.mark_submitted(run_id, 1, placement={})
    clock.now += LEASE_S + 5
    recorder.mark_running(run_id, 1, **PLAN)
    assert health_of(database, run_id)[0] is Health.OK  # its words reach the store; the machines' row does not matter
    clock.now += LEASE_S + 1
    assert health_of(database, run_id) == (Health.SILENT, "nothing was heard of its worker for 31 s")


def test_queued_run_is_never_silent(recorder: Recorder, queue: Queue, database: Database, clock: Clock) -> None:
    recorder.upsert_agent(HEAD)
    run_id = queue()
    clock.now += 100_000
    assert health_of(database, run_id)[0] is Health.OK
