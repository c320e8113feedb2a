"""States of a run and THE ONE TABLE of legal moves between them; only the recorder makes them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands."""

    DRAFT = "draft"
    QUEUED = "queued"
    SUBMITTING = "submitting"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    PAUSED = "paused"


class Outcome(StrEnum):
    """How an attempt ended; never changes once it is there."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    PAUSED = "paused"
    PREEMPTED = "preempted"
    LOST = "lost"


class Wish(StrEnum):
    """What somebody asked of a live run."""

    NONE = "none"
    PREEMPT = "preempt"
    PAUSE = "pause"
    STOP = "stop"


class Health(StrEnum):
    """Whether a live attempt gets on."""

    OK = "ok"
    STALLED = "stalled"
    SILENT = "silent"
    """Nothing is heard of it, and nobody has judged it yet. Never stored: it is seen when a run is read."""


MOVES: Mapping[RunState, frozenset[RunState]] = {
    RunState.DRAFT: frozenset({RunState.QUEUED, RunState.STOPPED}),
    RunState.QUEUED: frozenset({RunState.SUBMITTING, RunState.STOPPED, RunState.PAUSED}),
    # A worker's word may come before that of the dispatcher, so live states are skipped forward, never gone back.
    RunState.SUBMITTING: frozenset(
        {
            RunState.STARTING,
            RunState.RUNNING,
            RunState.STOPPING,
            RunState.SUCCEEDED,
            RunState.FAILED,
            RunState.STOPPED,
            RunState.PAUSED,
            RunState.QUEUED,
        }
    ),
    RunState.STARTING: frozenset(
        {
            RunState.RUNNING,
            RunState.STOPPING,
            RunState.SUCCEEDED,
            RunState.FAILED,
            RunState.STOPPED,
            RunState.PAUSED,
            RunState.QUEUED,
        }
    ),
    RunState.RUNNING: frozenset(
        {
            RunState.STOPPING,
            RunState.SUCCEEDED,
            RunState.FAILED,
            RunState.STOPPED,
            RunState.PAUSED,
            RunState.QUEUED,
        }
    ),
    RunState.STOPPING: frozenset(
        {RunState.SUCCEEDED, RunState.FAILED, RunState.STOPPED, RunState.PAUSED, RunState.QUEUED}
    ),
    RunState.PAUSED: frozenset({RunState.QUEUED, RunState.STOPPED}),
    RunState.FAILED: frozenset({RunState.QUEUED}),  # as attempt n+1
    RunState.STOPPED: frozenset({RunState.QUEUED}),
    RunState.SUCCEEDED: frozenset(),  # it is cloned, never run again
}
"""From each state the states that a run may go to."""

LIVE = frozenset({RunState.SUBMITTING, RunState.STARTING, RunState.RUNNING, RunState.STOPPING})
"""An attempt is under way: Ray may hold a job of it."""

ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.STOPPED})
"""Nothing happens any more unless somebody asks for it."""

STRENGTH: Mapping[Wish, int] = {wish: strength for strength, wish in enumerate(Wish)}
"""A stronger wish takes the place of a weaker one, never the other way round."""

STATE_OF_WISH: Mapping[Wish, RunState] = {
    Wish.PREEMPT: RunState.QUEUED,
    Wish.PAUSE: RunState.PAUSED,
    Wish.STOP: RunState.STOPPED,
}
"""Where a run stands when the wish is fulfilled."""

OUTCOME_OF_WISH: Mapping[Wish, Outcome] = {
    Wish.PREEMPT: Outcome.PREEMPTED,
    Wish.PAUSE: Outcome.PAUSED,
    Wish.STOP: Outcome.STOPPED,
}
"""What an attempt is called that saved and left because of the wish."""


def may_move(old: RunState, new: RunState) -> bool:
    """Whether the table allows a run in state `old` to become `new`."""
    return new in MOVES[old]
