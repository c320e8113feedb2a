"""Bodies of the queue."""

from __future__ import annotations

from utp.api.schemas import Answer, Asked, Id, Page, Time
from utp.store.states import RunState


class QueueItem(Answer):
    """A run that waits."""

    position: int
    """Place in the whole line, from 1, also where you may not see those ahead."""
    run_id: str
    name: str
    project_id: str
    project_name: str
    owner: str
    priority: int
    gpus: int | None
    """GPUs of all its workers; null: one each where the cluster has GPUs."""
    workers: int
    queued_at: Time | None
    wait_reason: str
    starts_in_s: float | None
    """Estimate in seconds; null where nobody knows."""


class ActiveRun(Answer):
    """A run with an attempt under way."""

    run_id: str
    name: str
    project_id: str
    project_name: str
    owner: str
    state: RunState
    priority: int
    started_at: Time | None
    step: int
    total_steps: int | None
    num_gpus: int
    hosts: list[str]


class QueueOut(Page[QueueItem]):
    """Who waits and who runs."""

    active: list[ActiveRun]
    free_gpus: int
    """Really free: nobody's process is on them, and they are not in quarantine or drained."""
    total_gpus: int
    """Of the machines that are there."""


class QueueMove(Asked):
    """A new place in line."""

    before_run_id: Id | None
    """Run that it is to start ahead of; null: the end of the line."""
