"""The life of an attempt: submitted, started, beating, ended; each step refused once it is superseded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, insert, or_, select, update

from utp.errors import FailureKind
from utp.store.database import Transaction
from utp.store.ids import submission_id
from utp.store.policy import LEASE_S, START_LEASE_S, Verdict, judge
from utp.store.recorder.points import cut_beyond
from utp.store.recorder.writer import Writer, append_event, move
from utp.store.safe_text import to_text
from utp.store.states import ENDED, LIVE, Health, Outcome, RunState, Wish
from utp.store.tables.config import Config
from utp.store.tables.job import Job
from utp.store.tables.run import Run


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What Ray has to be given."""

    run_id: str
    attempt: int
    submission_id: str
    config_json: str
    request: Mapping[str, Any]
    """`RunRequest` as JSON."""
    run_dir: str
    checkpoint_dir: str


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A sign of life of an attempt."""

    run_id: str
    attempt: int
    step: int
    epoch: int
    phase: str = ""
    """What it does besides training."""


class AttemptWriter(Writer):
    """Moves attempts on."""

    def begin_submission(self, run_id: str) -> Submission | None:
        """Open the next attempt of a queued run, before Ray hears of it; None if it is not queued any more."""

        def work(tx: Transaction) -> Submission | None:
            attempt: int | None = tx.connection.scalar(select(Run.attempt).where(Run.id == run_id))
            if attempt is None:
                return None
            changes = {"attempt": attempt + 1, "health": Health.OK, "health_detail": "", "wait_reason": ""}
            if not move(tx, run_id, RunState.QUEUED, RunState.SUBMITTING, attempt=attempt, changes=changes):
                return None
            job = {"run_id": run_id, "attempt": attempt + 1, "submission_id": submission_id(run_id, attempt + 1)}
            tx.connection.execute(insert(Job).values(**job, created_at=tx.now))
            return read_submission(tx, run_id, attempt + 1)

        return self._database.write(work)

    def mark_submitted(self, run_id: str, attempt: int, *, placement: Mapping[str, Any]) -> bool:
        """Record that Ray has the job, and where; False if Ray has to stop it: superseded, ended, or stopping."""

        def work(tx: Transaction) -> bool:
            if (state := _live_state(tx, run_id, attempt)) is None:
                return False
            first_word = func.coalesce(Job.lease_until, tx.now + START_LEASE_S)
            change = {"placement": dict(placement), "submitted_at": tx.now, "lease_until": first_word}
            tx.connection.execute(_job(run_id, attempt).values(change))
            if state is RunState.SUBMITTING:
                move(tx, run_id, state, RunState.STARTING, attempt=attempt, data={"placement": dict(placement)})
            return state is not RunState.STOPPING

        return self._database.write(work)

    def mark_running(
        self, run_id: str, attempt: int, *, host: str, pid: int, start_step: int, total_steps: int, epochs: int
    ) -> bool:
        """Record the worker's plan; what earlier attempts did beyond `start_step` is void.

        False if the attempt has ended or is superseded; then only the step is noted, so that its rows can be taken.
        """

        def work(tx: Transaction) -> bool:
            state = _live_state(tx, run_id, attempt)
            if not _note_start_step(tx, run_id, attempt, start_step) or state is None:
                return state is not None
            here = {"host": host, "pid": pid, "step": start_step}
            times = {"started_at": tx.now, "progress_at": tx.now, "lease_until": tx.now + LEASE_S}
            tx.connection.execute(_job(run_id, attempt).values(**here, **times))
            first = func.coalesce(Run.started_at, tx.now)
            plan = {"total_steps": total_steps, "epochs": epochs, "step": start_step, "started_at": first}
            if state in (RunState.SUBMITTING, RunState.STARTING):
                data = {"host": host, "start_step": start_step}
                move(tx, run_id, state, RunState.RUNNING, attempt=attempt, data=data, changes=plan)
            else:
                tx.connection.execute(update(Run).where(Run.id == run_id).values(plan))
            return True

        return self._database.write(work)

    def beat(self, run_id: str, attempt: int, *, step: int, epoch: int, phase: str = "") -> Wish | None:
        """Renew the lease; return what is wished, None if the attempt has ended or is superseded and must leave."""
        return self.beat_all([Beat(run_id=run_id, attempt=attempt, step=step, epoch=epoch, phase=phase)])[run_id]

    def beat_all(self, beats: Sequence[Beat]) -> dict[str, Wish | None]:
        """Do `beat` for many runs, one attempt of each, in one transaction; return the answers by run id."""

        def work(tx: Transaction) -> dict[str, Wish | None]:
            query = select(Run.id, Run.attempt, Run.wish, Job.step, Job.epoch, Job.phase, Job.started_at)
            query = query.join(Job, (Job.run_id == Run.id) & (Job.attempt == Run.attempt))
            query = query.where(Run.id.in_([beat.run_id for beat in beats]), Run.state.in_(LIVE), Job.outcome.is_(None))
            live = {(row.id, row.attempt): row for row in tx.connection.execute(query)}
            _renew(
                tx, [(beat, live[beat.run_id, beat.attempt]) for beat in beats if (beat.run_id, beat.attempt) in live]
            )
            return {
                beat.run_id: live[beat.run_id, beat.attempt].wish if (beat.run_id, beat.attempt) in live else None
                for beat in beats
            }

        return self._database.write(work) if beats else {}

    def end_attempt(
        self,
        run_id: str,
        attempt: int,
        *,
        outcome: Outcome,
        failure_kind: FailureKind | None = None,
        message: str | None = None,
        step: int | None = None,
        epoch: int | None = None,
        metrics: Mapping[str, Any] | None = None,
        rank: int | None = None,
    ) -> RunState | None:
        """Record how an attempt ended, the first word on it is the last; return the run's state after it.

        `store.policy` decides whether the run is queued again. None if the attempt has ended before, or never was.
        """

        def work(tx: Transaction) -> RunState | None:
            if (state := _live_state(tx, run_id, attempt)) is None:
                return None
            verdict = _judge(tx, run_id, outcome, failure_kind)
            where = {name: value for name, value in (("step", step), ("epoch", epoch)) if value is not None}
            told = {"failure_kind": failure_kind, "message": None if message is None else to_text(message)}
            end = {"outcome": verdict.outcome, "ended_at": tx.now, "is_charged": verdict.is_charged, "rank": rank}
            tx.connection.execute(_job(run_id, attempt).values(**end, **where, **told))
            changes = {**where, **told, **_after(tx, run_id, attempt, verdict)}
            if metrics is not None:
                changes["metrics"] = dict(metrics)
            data = {"outcome": verdict.outcome, **told}
            move(tx, run_id, state, verdict.state, attempt=attempt, reason=verdict.reason, data=data, changes=changes)
            return verdict.state

        return self._database.write(work)

    def set_health(self, run_id: str, attempt: int, health: Health, detail: str = "") -> bool:
        """Flag a live attempt as stalled, or as well again; False if it is neither live nor new."""

        def work(tx: Transaction) -> bool:
            if _live_state(tx, run_id, attempt) is None:
                return False
            text = to_text(detail)
            differs = or_(Run.health != health, Run.health_detail != text)
            change = update(Run).where(Run.id == run_id, differs).values(health=health, health_detail=text)
            if not tx.connection.execute(change).rowcount:
                return False
            append_event(tx, run_id, attempt, "health", reason=text, data={"health": health})
            return True

        return self._database.write(work)


def read_submission(tx: Transaction, run_id: str, attempt: int) -> Submission:
    """Return what Ray has to be given for an attempt."""
    query = select(Run.request, Run.run_dir, Run.checkpoint_dir, Config.content, Job.submission_id)
    query = query.join(Config, Config.id == Run.config_id).join(Job, Job.run_id == Run.id)
    row = tx.connection.execute(query.where(Run.id == run_id, Job.attempt == attempt)).one()
    return Submission(
        run_id=run_id,
        attempt=attempt,
        submission_id=row.submission_id,
        config_json=row.content,
        request=row.request,
        run_dir=row.run_dir,
        checkpoint_dir=row.checkpoint_dir,
    )


def _job(run_id: str, attempt: int) -> Any:
    """An update of the attempt's row, which finds none once it has its outcome."""
    return update(Job).where(Job.run_id == run_id, Job.attempt == attempt, Job.outcome.is_(None))


def _live_state(tx: Transaction, run_id: str, attempt: int) -> RunState | None:
    """State of the run if this is its newest attempt and goes on."""
    query = select(Run.state).join(Job, (Job.run_id == Run.id) & (Job.attempt == Run.attempt))
    is_live = (Run.id == run_id, Run.attempt == attempt, Run.state.in_(LIVE), Job.outcome.is_(None))
    return tx.connection.scalar(query.where(*is_live))


def _note_start_step(tx: Transaction, run_id: str, attempt: int, step: int) -> bool:
    """Record where an attempt starts and cut off what it does again, unless a later one did so; False if known."""
    mine = (Job.run_id == run_id, Job.attempt == attempt, Job.start_step.is_(None))
    if not tx.connection.execute(update(Job).where(*mine).values(start_step=step)).rowcount:
        return False
    later = select(Job.attempt).where(Job.run_id == run_id, Job.attempt > attempt, Job.start_step.is_not(None))
    if tx.connection.scalar(later.limit(1)) is None:
        cut_beyond(tx, run_id, step)
    return True


def _renew(tx: Transaction, beats: Sequence[tuple[Beat, Any]]) -> None:
    """Renew leases; before the first step the longer one of the start-up stays."""
    leases, progress = [], []
    for beat, row in beats:
        key = {"run": beat.run_id, "number": beat.attempt}
        leases.append({**key, "until": tx.now + (LEASE_S if row.started_at is not None else START_LEASE_S)})
        if (beat.step, beat.epoch, beat.phase) != (row.step, row.epoch, row.phase):
            progress.append({**key, "new_step": beat.step, "new_epoch": beat.epoch, "new_phase": beat.phase})
    job = update(Job).where(Job.run_id == bindparam("run"), Job.attempt == bindparam("number"))
    if leases:
        tx.connection.execute(job.values(lease_until=bindparam("until")), leases)
    if progress:
        new: dict[str, Any] = {"step": bindparam("new_step"), "epoch": bindparam("new_epoch")}
        tx.connection.execute(job.values(**new, phase=bindparam("new_phase"), progress_at=tx.now), progress)
        tx.connection.execute(update(Run).where(Run.id == bindparam("run")).values(new), progress)


def _judge(tx: Transaction, run_id: str, outcome: Outcome, kind: FailureKind | None) -> Verdict:
    run = tx.connection.execute(select(Run.wish, Run.retries).where(Run.id == run_id)).one()
    alike = select(func.count()).where(Job.run_id == run_id, Job.failure_kind == kind, Job.is_charged.is_(True))
    of_kind = min(run.retries, tx.connection.execute(alike).scalar_one()) if kind else 0
    return judge(outcome, kind, wish=run.wish, retries=run.retries, retries_of_kind=of_kind)


def _after(tx: Transaction, run_id: str, attempt: int, verdict: Verdict) -> dict[str, Any]:
    """Columns of the run that the end of an attempt changes."""
    started = select(Job.started_at).where(Job.run_id == run_id, Job.attempt == attempt)
    started_at = tx.connection.scalar(started)
    return {
        "wish": Wish.NONE,
        "health": Health.OK,
        "health_detail": "",
        "retries": Run.retries + int(verdict.is_charged),
        "not_before": tx.now + verdict.backoff_s if verdict.backoff_s else None,
        "run_time_s": Run.run_time_s + (max(0.0, tx.now - started_at) if started_at is not None else 0.0),
        "ended_at": tx.now if verdict.state in ENDED else None,
    }
