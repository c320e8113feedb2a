"""Why queued runs wait and where they stand in line; and the hand that changes their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from utp.store.database import Transaction
from utp.store.errors import IllegalMove
from utp.store.recorder.writer import Writer, append_event, find_run
from utp.store.states import RunState
from utp.store.tables.run import Run


@dataclass(frozen=True, slots=True)
class Wait:
    """What the dispatcher says of a run that waits."""

    reason: str
    position: int | None = None
    """Place in line, from 1; none far back, under a limit or in back-off."""
    starts_in_s: float | None = None
    """Estimate; none where nobody knows."""


class WaitWriter(Writer):
    """Keeps the line of runs that wait."""

    def set_waits(self, waits: Mapping[str, Wait]) -> None:
        """Say of queued runs, by id, why they wait; those that have left the queue are left alone."""

        def work(tx: Transaction) -> None:
            rows = [
                {
                    "run": run_id,
                    "reason": wait.reason,
                    "place": wait.position,
                    "start": None if wait.starts_in_s is None else tx.now + wait.starts_in_s,
                }
                for run_id, wait in waits.items()
            ]
            tx.connection.execute(_SET_WAIT, rows)

        if waits:
            self._database.write(work)

    def move_in_queue(self, run_id: str, before_run_id: str | None) -> None:
        """Put a queued run directly ahead of another, with that one's priority; behind all others without one.

        Within a priority the dispatcher lets users take turns: among the runs of one user the order is exactly this.

        Raises:
            RunNotFound: there is no such run.
            IllegalMove: one of them does not wait.
        """

        def work(tx: Transaction) -> None:
            found = _find_queued(tx, run_id)
            if before_run_id is not None:
                _find_queued(tx, before_run_id)
            if before_run_id == run_id:
                return
            priority = _move(tx, run_id, before_run_id)
            append_event(tx, run_id, found, "changed", data={"priority": priority, "before_run_id": before_run_id})

        self._database.write(work)


_SET_WAIT = (
    update(Run)
    .where(Run.id == bindparam("run"), Run.state == RunState.QUEUED)
    .values(wait_reason=bindparam("reason"), position=bindparam("place"), starts_at=bindparam("start"))
)


def _find_queued(tx: Transaction, run_id: str) -> int:
    """Return the run's newest attempt."""
    found = find_run(tx, run_id)
    if found.state is not RunState.QUEUED:
        raise IllegalMove(run_id, found.state, "change its place in the queue", "only runs that wait have one")
    return found.attempt


def _move(tx: Transaction, run_id: str, before_run_id: str | None) -> int:
    """Hand the ages of the runs with that priority out anew; return the priority."""
    waiting = (Run.state == RunState.QUEUED, Run.deleted_at.is_(None), Run.id != run_id)
    in_order = select(Run.id, Run.priority, Run.queued_seq).where(*waiting)
    others = tx.connection.execute(in_order.order_by(Run.priority.desc(), Run.queued_seq)).all()
    own = tx.connection.execute(select(Run.priority, Run.queued_seq).where(Run.id == run_id)).one()
    if before_run_id is None:
        priority = others[-1].priority if others else own.priority
    else:
        priority = next(row.priority for row in others if row.id == before_run_id)
    equals = [row for row in others if row.priority == priority]
    ids = [row.id for row in equals]
    ids.insert(ids.index(before_run_id) if before_run_id is not None else len(ids), run_id)
    old = {row.id: row.queued_seq for row in equals}
    for one, age in zip(ids, sorted([*old.values(), own.queued_seq]), strict=True):
        if old.get(one) != age:
            tx.connection.execute(update(Run).where(Run.id == one).values(queued_seq=age, priority=priority))
    return int(priority)
