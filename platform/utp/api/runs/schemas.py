"""Bodies of runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from utp.api.errors import Problem
from utp.api.schemas import Answer, Asked, Id, Page, Text, Time
from utp.config.request import PRIORITIES
from utp.errors import FailureKind
from utp.store.states import Health, Outcome, RunState, Wish

MAX_COUNT = 200
MAX_BULK = 1000
MAX_TAGS = 50

Tag = Annotated[str, Field(min_length=1, max_length=100)]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS)]
Priority = Annotated[int, Field(ge=PRIORITIES[0], le=PRIORITIES[1])]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


class RunsFromConfig(Asked):
    """Runs to queue from a named config."""

    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] = 1
    """Runs to queue; more than one get the seeds `seed`, `seed + 1`, ..."""
    seeds: Annotated[list[Seed], Field(min_length=1, max_length=MAX_COUNT)] | None = None
    """Seeds of the runs, one each, in place of `count`."""
    group_id: Id | None = None
    name_suffix: Annotated[str, Field(max_length=100)] = ""
    """Becomes `model_suffix`, which tells variants apart by name."""
    tags: Tags = Field(default_factory=list)
    priority: Priority = 0
    workers: Annotated[int, Field(ge=1, le=10_000)] = 1
    gpus_per_worker: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Null means one where the cluster has GPUs, and the CPU where it has none."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Fields of the config to replace in these runs."""


class RunCreate(Asked):
    """A run to queue with its config inline."""

    project_id: Id
    config: dict[str, Any]
    """Fields of `TrainConfig`."""
    request: dict[str, Any] = Field(default_factory=dict)
    """Fields of `RunRequest`: workers, GPUs, priority."""
    tags: Tags = Field(default_factory=list)
    group_id: Id | None = None


class RunPatch(Asked):
    """What to change; what is left out stays."""

    tags: Tags | None = None
    notes: Text | None = None
    priority: Priority | None = None
    group_id: Id | None = None
    """Null takes it out of its group."""
    is_archived: bool | None = None


class BulkAction(Asked):
    """One act on many runs."""

    action: Literal["stop", "pause", "archive", "unarchive", "retry"]
    run_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_BULK)]


class Run(Answer):
    """One run, as lists show it."""

    id: Id
    project_id: Id
    group_id: Id | None
    group_name: str | None
    config_id: Id | None
    """Named config that it was started from; null where its config came inline."""
    name: str
    owner: str
    state: RunState
    wish: Wish
    health: Health
    health_detail: str
    failure_kind: FailureKind | None
    message: str | None
    attempt: int
    priority: int
    tags: list[str]
    notes: str
    step: int
    total_steps: int | None
    epoch: int
    epochs: int | None
    progress: float | None
    """From 0 to 1; null before the number of steps is known."""
    eta_s: float | None
    """Seconds that are left at the speed of this attempt; null unless it trains."""
    best_metric: str | None
    best_value: float | None
    best_epoch: int | None
    metrics: dict[str, Any] | None
    """Final metrics by id."""
    run_time_s: float
    """Seconds trained, all attempts together."""
    created_at: Time
    queued_at: Time | None
    started_at: Time | None
    ended_at: Time | None
    archived_at: Time | None
    wait_reason: str | None
    position: int | None
    """Place in the queue, from 1."""
    starts_in_s: float | None
    highlights: dict[str, Any]
    """Fields of the config that lists show as columns."""


class RunPage(Page[Run]):
    """Runs."""


class RunList(Answer):
    """Runs that were queued, in order."""

    items: list[Run]


class Attempt(Answer):
    """One start of a run."""

    attempt: int
    submission_id: str
    host: str | None
    placement: dict[str, Any] | None
    started_at: Time | None
    ended_at: Time | None
    outcome: Outcome | None
    failure_kind: FailureKind | None
    message: str | None
    rank: int | None
    """Worker that failed first."""
    start_step: int | None
    step: int
    epoch: int
    traceback: str | None


class LogPlace(Answer):
    """A line of a log."""

    attempt: int
    stream: str
    line: int
    text: str


class Cause(Answer):
    """Why a run failed, and what to do."""

    kind: FailureKind
    title: str
    message: str
    what_to_do: str
    log_line: LogPlace | None
    traceback: str | None


class RunDataset(Answer):
    """Data that a run trains on."""

    id: Id
    version_id: Id | None
    fingerprint: str | None


class RunDetail(Run):
    """Everything about a run but its curves, logs and files."""

    config: dict[str, Any]
    """All fields of `TrainConfig`."""
    config_changed_fields: list[str]
    request: dict[str, Any]
    """All fields of `RunRequest`."""
    run_dir: str
    checkpoint_dir: str
    attempts: list[Attempt]
    cause: Cause | None
    dataset: RunDataset | None
    parent_run_id: Id | None
    command: str
    """Does the same again on a machine with utp."""


class Deletion(Answer):
    """What goes, or would go, with a run."""

    run_id: Id
    paths: list[str]
    size_bytes: int


class BulkItem(Answer):
    """What came of one run."""

    run_id: Id
    ok: bool
    problem: Problem | None


class BulkResult(Answer):
    """What came of each run, in order."""

    items: list[BulkItem]


class RunEvent(Answer):
    """One event of a run."""

    seq: int
    at: Time
    type: str
    attempt: int
    detail: dict[str, Any]


class RunEventPage(Page[RunEvent]):
    """Events, the oldest first."""
