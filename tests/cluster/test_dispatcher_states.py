"""Random lives of a queue, with faults at every moment: what has to hold after each step (I1 to I8 of reliability)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from tests.support.dispatching import Stage
from tests.support.machines import node

from utp.cluster.job_client import ClusterUnreachable, JobStatus
from utp.cluster.limits import Policy
from utp.cluster.waiting_queue import WaitingQueue
from utp.store.errors import AlreadyEnded, IllegalMove
from utp.store.policy import LEASE_S
from utp.store.states import ENDED, LIVE, RunState, Wish

CPUS = 4


class Queue(RuleBasedStateMachine):
    """The store and the dispatcher are real; Ray, the workers and the clock are played."""

    runs: ClassVar[Bundle[str]] = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.stage = Stage(Path(self._folder.name), Policy(may_preempt=True))
        self.stage.machines.states = [node("a", cpus=CPUS)]
        self.waiting = WaitingQueue(self.stage.queue)
        self.known: list[str] = []
        self.ended: dict[tuple[str, int], tuple[object, ...]] = {}
        self.stop_accepted: set[str] = set()
        self.finished_first: set[str] = set()
        self.workers: set[tuple[str, int]] = set()
        """Processes that train, whatever anybody thinks of them."""

    def teardown(self) -> None:
        self.stage.database.close()
        self._folder.cleanup()

    @rule(target=runs, cpus=st.integers(1, CPUS), priority=st.integers(-1, 1), limit_s=st.sampled_from([None, 50.0]))
    def submit(self, cpus: int, priority: int, limit_s: float | None) -> str:
        run_id = self.stage.submit(cpus_per_worker=cpus, priority=priority, max_run_time_s=limit_s)
        self.known.append(run_id)
        return run_id

    @rule(after_s=st.sampled_from([0.0, 1.0, 6.0, LEASE_S + 1, 130.0]))
    def step(self, after_s: float) -> None:
        try:
            self.stage.step(after_s)
        except ClusterUnreachable:
            assert self.stage.jobs.is_down

    @rule(run_id=runs)
    def worker_starts(self, run_id: str) -> None:
        attempt = self.stage.run(run_id).attempt
        job = self.stage.jobs.jobs.get(f"run-{run_id}-a{attempt}")
        if job is None or job.status.is_over or (run_id, attempt) in self.workers:
            return
        self.stage.jobs.run(job.spec.submission_id)
        if self.stage.recorder.mark_running(run_id, attempt, host="a", pid=1, start_step=0, total_steps=100, epochs=1):
            self.workers.add((run_id, attempt))

    @rule(run_id=runs, step=st.integers(1, 99))
    def worker_beats(self, run_id: str, step: int) -> None:
        for attempt in self._alive(run_id):
            wish = self.stage.recorder.beat(run_id, attempt, step=step, epoch=0)
            newest = self.stage.run(run_id)
            if wish is None:  # I2: who is superseded, or has ended, is told so and commits nothing
                self.workers.discard((run_id, attempt))
            else:
                assert attempt == newest.attempt
                assert newest.state in LIVE
                if wish is not Wish.NONE:
                    self._leave(run_id, attempt, "stopped")

    @rule(run_id=runs, outcome=st.sampled_from(["succeeded", "failed"]), kind=st.sampled_from(["nan", "storage_error"]))
    def worker_ends(self, run_id: str, outcome: str, kind: str) -> None:
        for attempt in self._alive(run_id):
            if attempt == self.stage.run(run_id).attempt:
                self._leave(run_id, attempt, outcome, kind if outcome == "failed" else None)

    @rule(run_id=runs)
    def worker_is_killed(self, run_id: str) -> None:
        for attempt in self._alive(run_id):
            self.workers.discard((run_id, attempt))
            if f"run-{run_id}-a{attempt}" in self.stage.jobs.jobs:
                self.stage.jobs.end(f"run-{run_id}-a{attempt}", JobStatus.FAILED, "failed with exit code -9")

    @rule()
    def ray_obeys(self) -> None:
        self.stage.jobs.obey()
        over = {job_id for job_id, job in self.stage.jobs.jobs.items() if job.status is JobStatus.STOPPED}
        self.workers = {(run, attempt) for run, attempt in self.workers if f"run-{run}-a{attempt}" not in over}

    @rule(run_id=runs)
    def ray_lies(self, run_id: str) -> None:
        job_id = self.stage.job_id(run_id)
        if job_id in self.stage.jobs.jobs:
            self.stage.jobs.end(job_id, JobStatus.FAILED, "the job supervisor actor died")

    @rule()
    def ray_forgets(self) -> None:
        self.stage.jobs.forget()

    @rule(is_down=st.booleans())
    def ray_goes_and_comes(self, is_down: bool) -> None:
        self.stage.jobs.is_down = is_down

    @rule()
    def dispatcher_restarts(self) -> None:
        self.stage.restart()

    @rule(run_id=runs)
    def dispatcher_dies_before_it_reaches_ray(self, run_id: str) -> None:
        if self.stage.state(run_id) is RunState.QUEUED and not self._active():
            self.stage.recorder.begin_submission(run_id)
            self.stage.restart()

    @rule(run_id=runs, wish=st.sampled_from([Wish.STOP, Wish.PAUSE]))
    def person_asks(self, run_id: str, wish: Wish) -> None:
        try:
            self.stage.recorder.set_wish(run_id, wish, by="ann")
        except AlreadyEnded:
            assert self.stage.state(run_id) in ENDED
        else:
            if wish is Wish.STOP:
                self.stop_accepted.add(run_id)

    @rule(run_id=runs)
    def person_retries(self, run_id: str) -> None:
        try:
            self.stage.recorder.retry(run_id)
        except (AlreadyEnded, IllegalMove):
            return
        self.stop_accepted.discard(run_id)

    @invariant()
    def ended_attempts_never_change(self) -> None:  # I1
        for run_id in self.known:
            for job in self.stage.attempts(run_id):
                key = (run_id, job.attempt)
                if key in self.ended:
                    assert self.ended[key] == tuple(job)
                elif job.outcome is not None:
                    self.ended[key] = tuple(job)

    @invariant()
    def one_attempt_at_most_is_live(self) -> None:  # I2
        for run_id in self.known:
            open_attempts = [job.attempt for job in self.stage.attempts(run_id) if job.outcome is None]
            run = self.stage.run(run_id)
            assert open_attempts == ([run.attempt] if run.state in LIVE else [])

    @rule(run_id=runs, ahead_of=runs)
    def person_moves(self, run_id: str, ahead_of: str) -> None:
        try:
            self.stage.recorder.move_in_queue(run_id, ahead_of)
        except IllegalMove:
            assert {self.stage.state(run_id), self.stage.state(ahead_of)} != {RunState.QUEUED}

    @rule(run_id=runs, priority=st.integers(-1, 1))
    def person_sets_priority(self, run_id: str, priority: int) -> None:
        self.stage.recorder.set_priority(run_id, priority)

    @invariant()
    def queue_that_is_kept_is_that_of_the_store(self) -> None:
        fresh = WaitingQueue(self.stage.queue).read()
        assert sorted(self.waiting.read(), key=str) == sorted(fresh, key=str)

    @invariant()
    def what_is_active_fits(self) -> None:  # I5
        assert sum(row.request["cpus_per_worker"] for row in self._active()) <= CPUS

    @invariant()
    def names_and_directories_are_unique(self) -> None:  # I6
        directories = [self.stage.run(run_id).run_dir for run_id in self.known]
        assert len(set(directories)) == len(directories)

    @invariant()
    def accepted_stop_is_never_undone(self) -> None:  # I7
        for run_id in self.stop_accepted:
            assert self.stage.state(run_id) in (RunState.STOPPING, *ENDED)

    @rule(runs=st.lists(consumes(runs), max_size=3))
    def faults_stop(self, runs: list[str]) -> None:  # I3
        """With a Ray that works and workers that die at once, each run comes to an end in bounded time."""
        self.stage.jobs.is_down = False
        self.workers.clear()
        for run_id in runs:
            if self.stage.state(run_id) not in ENDED:
                self.stage.recorder.set_wish(run_id, Wish.STOP, by="ann")
                self.stop_accepted.add(run_id)
        for _ in range(8):
            self.ray_obeys()
            self.stage.watch(LEASE_S + 1)
        assert all(self.stage.state(run_id) in ENDED for run_id in runs)

    def _alive(self, run_id: str) -> list[int]:
        return sorted(attempt for run, attempt in self.workers if run == run_id)

    def _active(self) -> list[object]:
        return self.stage.queue.active()  # type: ignore[return-value]

    def _leave(self, run_id: str, attempt: int, outcome: str, kind: str | None = None) -> None:
        self.workers.discard((run_id, attempt))
        if attempt == self.stage.run(run_id).attempt:
            self.stage.write_result(run_id, outcome=outcome, kind=kind)
        if f"run-{run_id}-a{attempt}" in self.stage.jobs.jobs:
            self.stage.jobs.end(f"run-{run_id}-a{attempt}", JobStatus.SUCCEEDED)


Queue.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
test_queue = Queue.TestCase
