"""What all parts of the recorder share: the compare-and-set on a run's state, and the event beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update

from utp.store.database import Database, Transaction
from utp.store.errors import RunNotFound
from utp.store.states import RunState, Wish, may_move
from utp.store.tables.run import Run
from utp.store.tables.run_event import RunEvent


class Writer:
    """Base of the recorder's parts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check_writable(self) -> None:
        """Return once a transaction could be made, which changes nothing. Raises as `Database.write`."""
        self._database.write(lambda tx: None)


def append_event(
    tx: Transaction,
    run_id: str,
    attempt: int,
    kind: str,
    *,
    old: RunState | None = None,
    new: RunState | None = None,
    reason: str = "",
    data: Mapping[str, Any] | None = None,
) -> int:
    """Append one event and return its number."""
    event = insert(RunEvent).values(
        run_id=run_id,
        attempt=attempt,
        kind=kind,
        old_state=old,
        new_state=new,
        reason=reason,
        data=dict(data) if data else None,
        at=tx.now,
    )
    return tx.connection.execute(event.returning(RunEvent.seq)).scalar_one()


@dataclass(frozen=True)
class FoundRun:
    """Where a run stands within a transaction."""

    state: RunState
    attempt: int
    wish: Wish


def find_run(tx: Transaction, run_id: str) -> FoundRun:
    """Return where a run stands. Raises `RunNotFound`."""
    row = tx.connection.execute(select(Run.state, Run.attempt, Run.wish).where(Run.id == run_id)).first()
    if row is None:
        raise RunNotFound(run_id)
    return FoundRun(row.state, row.attempt, row.wish)


def move(
    tx: Transaction,
    run_id: str,
    old: RunState,
    new: RunState,
    *,
    attempt: int,
    reason: str = "",
    data: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> bool:
    """Bring a run that is in `old` with this newest attempt to `new`, with its event; False if it is not so any more.

    Args:
        tx: the write transaction.
        run_id: of the run.
        old: state that it has to be in.
        new: state that it gets.
        attempt: newest attempt that it has to have; the fence.
        reason: for the event.
        data: for the event.
        changes: further columns of the run.
    """
    assert may_move(old, new), f"{old} -> {new} is not in the table"
    condition = (Run.id == run_id, Run.state == old, Run.attempt == attempt, Run.deleted_at.is_(None))
    changed = tx.connection.execute(update(Run).where(*condition).values(state=new, **(changes or {}))).rowcount
    if changed:
        new_attempt = (changes or {}).get("attempt", attempt)
        seq = append_event(tx, run_id, new_attempt, "state", old=old, new=new, reason=reason, data=data)
        if new is RunState.QUEUED:
            place: dict[str, Any] = {"queued_seq": seq, "queued_at": tx.now, "wait_reason": ""}
            place |= {"position": None, "starts_at": None}
            tx.connection.execute(update(Run).where(Run.id == run_id).values(place))
    return bool(changed)
