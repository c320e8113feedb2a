"""When an attempt counts as lost, whether its run is tried again, and what state the end of an attempt leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from utp.errors import FailureKind
from utp.store.states import OUTCOME_OF_WISH, STATE_OF_WISH, Outcome, RunState, Wish

LEASE_S = 30.0
"""Seconds without a word from the worker after which its attempt is lost."""

WORKER_LEASE_S = 20.0
"""Seconds after which a worker that reaches nobody saves nothing more: it is silent before it is given up."""

STALLED_AFTER_S = 45.0
"""Seconds without a step, or a change of phase, after which an attempt is shown as stalled, and writes its stacks."""

START_LEASE_S = 600.0
"""Seconds from the submission to the first word: Ray's start, imports, download of weights."""

MAX_RETRIES = 3
"""Attempts that one start, retry or resume by a person may cost beyond the first."""

FIRST_BACKOFF_S = 10.0
LAST_BACKOFF_S = 300.0

RETRIES: Mapping[FailureKind, int] = {
    FailureKind.NODE_LOST: MAX_RETRIES,
    FailureKind.LOST: MAX_RETRIES,
    FailureKind.TIMEOUT: MAX_RETRIES,  # of a collective or of the start: a node or network that hangs
    FailureKind.STORAGE_ERROR: MAX_RETRIES,  # EIO, a dead mount; the back-off gives it time
    FailureKind.OOM_HOST: 1,  # a neighbour may have taken the memory once; a second time it is this run
}
"""Failures of the infrastructure, and how often each is tried again.

All others would fail again: a full disk needs a person, an unexpected exception is a bug, and the rest is the user's.
"""

_LEFT_ON_REQUEST = frozenset({Outcome.STOPPED, Outcome.PAUSED, Outcome.PREEMPTED})
_STATE_OF_OUTCOME: Mapping[Outcome, RunState] = {
    Outcome.SUCCEEDED: RunState.SUCCEEDED,
    Outcome.STOPPED: RunState.STOPPED,
    Outcome.PAUSED: RunState.PAUSED,
    Outcome.PREEMPTED: RunState.QUEUED,
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the end of an attempt means for its run."""

    outcome: Outcome
    state: RunState
    is_charged: bool = False
    """It counts against the cap of retries."""
    backoff_s: float = 0.0
    """Seconds before the next attempt may start."""
    reason: str


def judge(outcome: Outcome, kind: FailureKind | None, *, wish: Wish, retries: int, retries_of_kind: int) -> Verdict:
    """Return what becomes of a run whose attempt ended so.

    Args:
        outcome: what the attempt says of itself, or what was concluded from its silence.
        kind: of a failure.
        wish: what was asked of the run at that moment.
        retries: charged so far since a person last started the run.
        retries_of_kind: those of them that this kind of failure cost.
    """
    if outcome in _LEFT_ON_REQUEST and wish is not Wish.NONE:
        outcome = OUTCOME_OF_WISH[wish]  # a stop may have become stronger since the worker heard of it
    if outcome in _STATE_OF_OUTCOME:
        return Verdict(outcome=outcome, state=_STATE_OF_OUTCOME[outcome], reason=str(outcome))
    kind = kind or (FailureKind.LOST if outcome is Outcome.LOST else FailureKind.INTERNAL)
    return _judge_failure(outcome, kind, wish, retries, retries_of_kind)


def _judge_failure(outcome: Outcome, kind: FailureKind, wish: Wish, retries: int, retries_of_kind: int) -> Verdict:
    if kind is FailureKind.PREEMPTED:
        state = STATE_OF_WISH.get(wish, RunState.QUEUED)
        return Verdict(outcome=Outcome.PREEMPTED, state=state, reason="preempted")
    if kind not in RETRIES:
        return Verdict(outcome=outcome, state=RunState.FAILED, reason=f"failed: {kind}")
    if wish in (Wish.STOP, Wish.PAUSE):
        return Verdict(outcome=outcome, state=STATE_OF_WISH[wish], reason=f"{wish} was asked for, then {kind}")
    if retries >= MAX_RETRIES or retries_of_kind >= RETRIES[kind]:
        return Verdict(outcome=outcome, state=RunState.FAILED, reason=f"failed: {kind}, after {retries} retries")
    backoff_s = min(LAST_BACKOFF_S, FIRST_BACKOFF_S * 2**retries)
    reason = f"{kind}: retry {retries + 1} of {RETRIES[kind]} in {backoff_s:.0f} s"
    return Verdict(outcome=outcome, state=RunState.QUEUED, is_charged=True, backoff_s=backoff_s, reason=reason)
