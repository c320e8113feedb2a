"""What people ask of runs: stop, pause, make room; done at once where nothing runs, otherwise left for the worker."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from utp.store.database import Transaction
from utp.store.errors import AlreadyEnded
from utp.store.recorder.writer import FoundRun, Writer, append_event, find_run, move
from utp.store.states import ENDED, LIVE, STATE_OF_WISH, STRENGTH, RunState, Wish, may_move
from utp.store.tables.run import Run


class WishWriter(Writer):
    """Takes wishes."""

    def set_wish(self, run_id: str, wish: Wish, *, by: str) -> RunState:
        """Ask a run to stop, pause or make room, and return its state; asking again changes nothing.

        A stronger wish replaces a weaker one (stop over pause over preempt), never the other way round.

        Raises:
            AlreadyEnded: it has ended, otherwise than by this wish.
            RunNotFound: there is no such run.
        """
        assert wish is not Wish.NONE, "a wish can't be taken back: the worker may be leaving already"

        def work(tx: Transaction) -> RunState:
            found = find_run(tx, run_id)
            target = STATE_OF_WISH[wish]
            reason = f"{wish} by {by}" if by else str(wish)
            if found.state is target:
                return target
            if found.state in ENDED:
                raise AlreadyEnded(run_id, found.state)
            if found.state in LIVE:
                if STRENGTH[wish] > STRENGTH[found.wish]:
                    _ask(tx, run_id, found, {"wish": wish, "wished_by": by}, reason)
                return RunState.STOPPING
            if not may_move(found.state, target):
                return found.state  # what is paused or a draft makes no room
            ended_at = tx.now if target in ENDED else None
            changes = {"wished_by": by, "not_before": None, "wait_reason": "", "ended_at": ended_at}
            move(tx, run_id, found.state, target, attempt=found.attempt, reason=reason, changes=changes)
            return target

        return self._database.write(work)


def _ask(tx: Transaction, run_id: str, found: FoundRun, changes: dict[str, Any], reason: str) -> None:
    """Leave the wish of a live attempt where its worker and the dispatcher find it."""
    if found.state is not RunState.STOPPING:
        move(tx, run_id, found.state, RunState.STOPPING, attempt=found.attempt, reason=reason, changes=changes)
        return
    tx.connection.execute(update(Run).where(Run.id == run_id).values(changes))
    append_event(tx, run_id, found.attempt, "wish", reason=reason, data={"wish": changes["wish"]})
