"""`Dispatcher`: turns queued rows into Ray jobs, and what becomes of the jobs into rows.

Level-triggered: each step looks at what is, not at what changed. The store and Ray's jobs say everything; what this
object remembers besides are times since which something is so, and a restarted one just waits that much longer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from utp.cluster.admission import Plan, decide
from utp.cluster.attempt_end import End, conclude
from utp.cluster.attempt_result import find_result
from utp.cluster.inventory import Inventory, NodeState
from utp.cluster.job_client import ClusterUnreachable, JobClient, JobReport, JobStatus
from utp.cluster.limits import Policy
from utp.cluster.queue_order import WaitingRun
from utp.cluster.ray_job import build_job, parse_request
from utp.cluster.reservation import ActiveRun
from utp.cluster.room import Placement
from utp.cluster.waiting_queue import WaitingQueue
from utp.errors import FailureKind
from utp.store.errors import AlreadyEnded, RunNotFound, StoreBusy, StoreUnavailable
from utp.store.policy import LEASE_S, STALLED_AFTER_S
from utp.store.recorder import Recorder
from utp.store.recorder.attempts import Submission
from utp.store.repositories.run_queue import ActiveRow, QueueRepository
from utp.store.states import Health, Outcome, RunState, Wish

_log = logging.getLogger(__name__)

PERIOD_S = 1.0

GONE_GRACE_S = 5.0
"""From Ray's word that a job is over to the conclusion that it left no result: files and messages may be on the way."""

STOP_GRACE_S = 120.0
"""From a wish to Ray's own stop: the worker saves and leaves by itself in this time."""

KILL_GRACE_S = 75.0
"""From Ray's stop, which waits 60 s before it kills, until the attempt is given up whatever Ray says of it."""

SWEEP_EVERY_S = 60.0
"""Between two looks at all jobs that Ray remembers, each of which costs it a look-up."""

MAX_GAP_S = 10.0
"""Between two looks at the leases. After a longer one, as while the store or this process was away, no worker could
renew its own or be heard: all of them get the time of a lease to be heard again. So they do while the head is away.
"""

MAX_WRITE_WAIT_S = 1.0
"""The store is held by another program where a transaction waits for longer; leases are judged as after a gap."""

HEAD_EVERY_S = 5.0
"""Between two questions whether the head is there."""

MIN_STEPS_MEASURED = 10
"""Steps after which the time that is left is worth an estimate."""


class Dispatcher:
    """The one that hands runs to Ray; one at a time, see `leadership`.

    Args:
        queue: reads rows.
        recorder: writes them.
        jobs: Ray's jobs.
        inventory: the machines.
        take_result: ingests an attempt that wrote its `result.json`, which ends it.
        env: environment of every job.
        policy: limits, preemption, and when a run hangs.
        is_head_there: whether workers can be heard at all.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        queue: QueueRepository,
        recorder: Recorder,
        jobs: JobClient,
        inventory: Inventory,
        take_result: Callable[[ActiveRow, Mapping[str, Any]], None],
        *,
        env: Mapping[str, str],
        policy: Policy | None = None,
        is_head_there: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = WaitingQueue(queue)
        self._queue, self._recorder, self._jobs, self._inventory = queue, recorder, jobs, inventory
        self._take_result, self._env, self._clock = take_result, env, clock
        self._is_head_there = is_head_there
        self._policy = policy or Policy()
        self._since: dict[tuple[str, str], float] = {}
        self._swept_at = -SWEEP_EVERY_S
        self._looked_at = -MAX_GAP_S
        self._watching_since = 0.0
        self._head_asked_at = -HEAD_EVERY_S
        self._is_admitting = True

    def set_admission(self, *, is_open: bool) -> None:
        """Start runs, or none while the platform is about to end; those that are active are looked after anyway."""
        self._is_admitting = is_open

    def run(self, is_over: Callable[[], bool], sleep: Callable[[float], None] = time.sleep) -> None:
        """Step until told to leave; a database or a Ray that is away for a while is waited for."""
        while not is_over():
            try:
                self.step()
            except (ClusterUnreachable, StoreBusy, StoreUnavailable) as error:
                _log.warning("%s", error)
            sleep(PERIOD_S)

    def step(self) -> None:
        """Look after the active runs, then start what fits.

        Raises:
            ClusterUnreachable: Ray does not answer; results on disk were taken all the same.
        """
        trouble: ClusterUnreachable | None = None
        active = self._queue.active()
        self._note_look()
        if any(row.lease_until_passed for row in active):
            self._check_hearing()
        if active:
            self._check_head()
        for row in active:
            try:
                self._look_after(row)
            except ClusterUnreachable as error:
                trouble = error
        self._forget_times(active)
        if trouble is not None:
            raise trouble
        self._sweep()
        if self._is_admitting:
            self._admit()

    def _note_look(self) -> None:
        now = self._clock()
        if now - self._looked_at >= MAX_GAP_S:
            self._watching_since = now
        self._looked_at = now

    def _check_hearing(self) -> None:
        """See whether workers could be heard: SQLite is read as ever while another program holds it for writing."""
        asked_at = self._clock()
        try:
            self._recorder.check_writable()
        finally:
            if self._clock() - asked_at >= MAX_WRITE_WAIT_S:
                self._watching_since = self._clock()

    def _check_head(self) -> None:
        """See whether workers can be heard now, also before a lease is over: the head may be back just in time."""
        if self._clock() - self._head_asked_at < HEAD_EVERY_S:
            return
        self._head_asked_at = self._clock()
        if not self._is_head_there():
            self._watching_since = self._clock()

    def _watched_s(self) -> float:
        return self._clock() - self._watching_since

    def _without_progress_s(self, row: ActiveRow) -> float:
        """Return how long there was no progress while there was somebody to tell of it."""
        return min(row.last_progress_age_s or 0.0, self._watched_s())

    def _look_after(self, row: ActiveRow) -> None:
        if result := find_result(row.run_dir, row.attempt):
            self._take_result(row, result)
            return
        report = self._jobs.report(row.submission_id)
        if row.state is RunState.SUBMITTING and report is None:
            if self._is_admitting:
                self._finish_submission(row)
        elif row.state is RunState.SUBMITTING:
            self._mark_submitted(row.run_id, row.attempt, row.submission_id, None)
        elif report is None or report.status.is_over:
            self._settle(row, report)
        elif (end := self._reason_to_kill(row)) is not None:
            self._kill(row, end)
        else:
            self._watch(row)

    def _finish_submission(self, row: ActiveRow) -> None:
        """The attempt was opened and Ray has no job of it: somebody died, or failed to reach Ray, in between."""
        nodes = self._inventory.nodes()
        others = [other for other in self._queue.active() if other.run_id != row.run_id]
        waiting = WaitingRun(
            run_id=row.run_id, name=row.name, owner=row.owner, project_id=row.project_id, priority=row.priority,
            seq=0, queued_at=0.0, not_before=0.0, request=parse_request(row.request),
        )  # fmt: skip
        plan = decide([waiting], [_to_active(other) for other in others], nodes)
        for start in plan.starts:
            config_json = self._queue.config_json(row.run_id)
            self._submit(
                Submission(
                    run_id=row.run_id, attempt=row.attempt, submission_id=row.submission_id, config_json=config_json,
                    request=row.request, run_dir=row.run_dir, checkpoint_dir=row.checkpoint_dir,
                ),
                start.placement,
                nodes,
            )  # fmt: skip

    def _settle(self, row: ActiveRow, report: JobReport | None) -> None:
        """Ray says that the job is over or unknown. A worker that was heard of lately is believed more than Ray."""
        was_heard_of = row.last_progress_age_s is not None and not row.lease_until_passed
        if was_heard_of or self._for_s(row, "gone") < GONE_GRACE_S:
            return
        was_stopped = report is not None and report.status is JobStatus.STOPPED  # by us, or by `ray job stop`
        self._end(row, (self._reason_to_kill(row) if was_stopped else None) or conclude(report, row.wish))

    def _reason_to_kill(self, row: ActiveRow) -> End | None:
        """Return how an attempt whose job is alive has to end, or none."""
        if (age_s := self._without_progress_s(row)) >= self._policy.hang_limit_s:
            message = f"hung: no step for {age_s:.0f} s, last in {row.phase or 'training'}"
            return End(Outcome.FAILED, FailureKind.TIMEOUT, message)
        if row.lease_until_passed and self._watched_s() >= LEASE_S:
            return End(Outcome.LOST, FailureKind.LOST, "nothing was heard of its worker any more")
        if row.wish is not Wish.NONE and (row.last_progress_age_s is None or self._for_s(row, "wish") >= STOP_GRACE_S):
            return conclude(None, row.wish)  # it has nothing to save yet, or did not leave by itself
        return None

    def _kill(self, row: ActiveRow, end: End) -> None:
        """Stop the job first; the attempt ends when Ray says so, or after a while whatever it says."""
        self._jobs.stop(row.submission_id)
        if self._for_s(row, "killed") >= KILL_GRACE_S:
            self._end(row, end)

    def _watch(self, row: ActiveRow) -> None:
        limit_s = parse_request(row.request).max_run_time_s
        if limit_s is not None and row.run_time_s >= limit_s and row.wish is Wish.NONE:
            self._wish(row.run_id, Wish.STOP, f"its limit of {limit_s:g} s")
        age_s = self._without_progress_s(row)
        if age_s >= STALLED_AFTER_S and row.health is Health.OK:
            where = f"no step for {age_s:.0f} s, last in {row.phase or 'training'}"
            detail = f"{where}; its log says where its threads stand"
            self._recorder.set_health(row.run_id, row.attempt, Health.STALLED, detail)
        elif age_s < STALLED_AFTER_S and row.health is Health.STALLED:
            self._recorder.set_health(row.run_id, row.attempt, Health.OK)

    def _end(self, row: ActiveRow, end: End) -> None:
        if result := find_result(row.run_dir, row.attempt):  # it may have come since
            self._take_result(row, result)
            return
        self._recorder.end_attempt(
            row.run_id, row.attempt, outcome=end.outcome, failure_kind=end.kind, message=end.message,
            step=row.step, epoch=row.epoch,
        )  # fmt: skip

    def _admit(self) -> None:
        waiting = self._waiting.read()
        if not waiting:
            return
        nodes = self._inventory.nodes()
        active = [_to_active(row) for row in self._queue.active()]
        limits = replace(self._policy.limits, max_gpus_of=self._queue.max_gpus_of_projects())
        plan = decide(
            waiting, active, nodes, now=self._waiting.now, limits=limits, may_preempt=self._policy.may_preempt
        )
        for run_id in plan.preempted:
            self._wish(run_id, Wish.PREEMPT, "a run of higher priority")
        self._start(plan, nodes)
        self._tell(plan)

    def _tell(self, plan: Plan) -> None:
        """Write why runs wait where that has changed, a part at a time: workers' news must not wait for it."""
        news = self._waiting.news(plan)
        self._recorder.set_waits(news)
        self._waiting.note_told(news)

    def _start(self, plan: Plan, nodes: Sequence[NodeState]) -> None:
        for start in plan.starts:
            if submission := self._recorder.begin_submission(start.run_id):
                self._submit(submission, start.placement, nodes)

    def _submit(self, submission: Submission, placement: Placement, nodes: Sequence[NodeState]) -> None:
        self._jobs.submit(build_job(submission, placement, nodes, self._env))
        self._mark_submitted(submission.run_id, submission.attempt, submission.submission_id, placement)

    def _mark_submitted(self, run_id: str, attempt: int, submission_id: str, placement: Placement | None) -> None:
        kept = placement.to_json() if placement else {}
        if not self._recorder.mark_submitted(run_id, attempt, placement=kept):
            self._jobs.stop(submission_id)  # stopped or superseded while Ray was asked

    def _sweep(self) -> None:
        """Stop jobs that no live attempt belongs to, have Ray forget those that are over."""
        if self._clock() - self._swept_at < SWEEP_EVERY_S:
            return
        jobs = self._jobs.list_ours()  # before the rows: a job handed over in between is not on the list
        live = {row.submission_id for row in self._queue.active()}
        for submission_id, status in jobs.items():
            if submission_id not in live:
                (self._jobs.delete if status.is_over else self._jobs.stop)(submission_id)
        self._swept_at = self._clock()

    def _wish(self, run_id: str, wish: Wish, by: str) -> None:
        try:
            self._recorder.set_wish(run_id, wish, by=by)
        except (AlreadyEnded, RunNotFound):
            return  # it was quicker

    def _for_s(self, row: ActiveRow, what: str) -> float:
        """Return for how many seconds `what` is so of this attempt, as far as this process has seen."""
        now = self._clock()
        return now - self._since.setdefault((row.submission_id, what), now)

    def _forget_times(self, active: list[ActiveRow]) -> None:
        live = {row.submission_id for row in active}
        self._since = {key: since for key, since in self._since.items() if key[0] in live}


def _to_active(row: ActiveRow) -> ActiveRun:
    is_running = row.state is RunState.RUNNING or row.last_progress_age_s is not None
    return ActiveRun(
        run_id=row.run_id,
        owner=row.owner,
        project_id=row.project_id,
        priority=row.priority,
        request=parse_request(row.request),
        placement=Placement.from_json(row.placement),
        is_counted_by_ray=is_running,
        is_leaving=row.state is RunState.STOPPING,
        remaining_s=_remaining_s(row),
        age_s=row.submitting_s,
    )


def _remaining_s(row: ActiveRow) -> float | None:
    limit_s = parse_request(row.request).max_run_time_s
    by_limit = max(0.0, limit_s - row.run_time_s) if limit_s is not None else None
    if row.total_steps is None or row.step < MIN_STEPS_MEASURED or row.run_time_s <= 0:
        return by_limit
    by_steps = (row.total_steps - row.step) * row.run_time_s / row.step
    return by_steps if by_limit is None else min(by_steps, by_limit)
