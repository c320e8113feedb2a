"""What goes over the WebSocket: one union each way, as JSON texts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from utp.api.agents.schemas import Agent
from utp.api.errors import Problem
from utp.api.logs.schemas import LogLine, Stream
from utp.api.openapi import EXTRA_MODELS
from utp.api.run_queue.schemas import QueueOut
from utp.api.runs.schemas import Run, RunEvent
from utp.api.schemas import Answer, Asked, Id

MAX_RUNS = 100
MAX_STEP = 2**31 - 1
MAX_NUMBER = 2**53
"""What JavaScript still counts exactly."""

Number = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
SubscriptionId = Annotated[int, Field(ge=0, le=MAX_NUMBER, strict=True)]
"""Chosen by the client; it comes with everything that is sent for the subscription."""


class SubscribeRun(Asked):
    """Follow one run: its row and its events."""

    op: Literal["sub"]
    id: SubscriptionId
    topic: Literal["run"]
    run_id: Id
    after_seq: Number | None = None
    """Number of the last event that is known; left out: only what happens from now on."""


class SubscribeProject(Asked):
    """Follow the rows and events of all runs of a project."""

    op: Literal["sub"]
    id: SubscriptionId
    topic: Literal["project"]
    project_id: Id
    after_seq: Number | None = None


class SubscribeLog(Asked):
    """Follow a log."""

    op: Literal["sub"]
    id: SubscriptionId
    topic: Literal["log"]
    run_id: Id
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Left out: the newest, and each one that begins later."""
    stream: Stream = "rank0.log"
    from_line: Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)] = 0
    """Number of the first line wanted; negative: counted from the end."""


class SubscribeMetrics(Asked):
    """Follow curves of runs."""

    op: Literal["sub"]
    id: SubscriptionId
    topic: Literal["metrics"]
    run_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_RUNS)]
    names: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=200)] | None = None
    """Of curves; null: all."""
    after_step: dict[Id, Annotated[int, Field(ge=-1, le=MAX_STEP)]] = Field(default={}, max_length=MAX_RUNS)
    """Last step that is known, by run; points of that step come again. A run left out: only what is new."""


class SubscribeQueue(Asked):
    """Follow the queue."""

    op: Literal["sub"]
    id: SubscriptionId
    topic: Literal["queue"]


class SubscribeAgents(Asked):
    """Follow the machines."""

    op: Literal["sub"]
    id: SubscriptionId
    topic: Literal["agents"]


class Unsubscribe(Asked):
    """End a subscription."""

    op: Literal["unsub"]
    id: SubscriptionId


class Ping(Asked):
    """Ask for a `pong`."""

    op: Literal["ping"]


class Seen(Asked):
    """All up to a `mark` was read."""

    op: Literal["seen"]
    number: Number


Subscribe = Annotated[
    SubscribeRun | SubscribeProject | SubscribeLog | SubscribeMetrics | SubscribeQueue | SubscribeAgents,
    Field(discriminator="topic"),
]
WsClientMessage = Annotated[Subscribe | Unsubscribe | Ping | Seen, Field(discriminator="op")]
CLIENT_MESSAGE: TypeAdapter[Subscribe | Unsubscribe | Ping | Seen] = TypeAdapter(WsClientMessage)


class WsRunEvent(RunEvent):
    """Something that happened to a run."""

    run_id: Id


class Subscribed(Answer):
    """The subscription stands; what follows is sent for it."""

    type: Literal["subscribed"]
    id: int


class RunMessage(Answer):
    """A run's row has changed, or is sent for the first time."""

    type: Literal["run"]
    id: int
    seq: int
    """All events up to this one are in it."""
    run: Run


class RunEventMessage(Answer):
    """Something happened to a run; every event is sent once, by ascending `seq`."""

    type: Literal["run_event"]
    id: int
    event: WsRunEvent


class LogMessage(Answer):
    """Lines of a log that follow the ones before."""

    type: Literal["log"]
    id: int
    attempt: int
    stream: str
    start: int
    """Number of the first line."""
    lines: list[LogLine]


class LogGap(Answer):
    """These lines are not sent, since the client or the log is too far behind: they are had over HTTP."""

    type: Literal["log_gap"]
    id: int
    attempt: int
    stream: str
    from_line: int
    to_line: int
    """The line behind the last one that is missing; it is sent next."""


class LogAttempt(Answer):
    """The run began anew: from here on it is the log of this attempt, from line 0."""

    type: Literal["log_attempt"]
    id: int
    attempt: int


class MetricPoints(Answer):
    """Points of a curve behind those that were sent before."""

    steps: list[int]
    values: list[float | None]
    epochs: list[int | None] | None


class MetricsMessage(Answer):
    """New points of a run's curves; one that is known for its step is the same."""

    type: Literal["metrics"]
    id: int
    run_id: Id
    points: dict[str, MetricPoints]
    """By name of curve."""


class MetricsGap(Answer):
    """What is known of the run's curves behind this step is void or not all: it is had over HTTP."""

    type: Literal["metrics_gap"]
    id: int
    run_id: Id
    after_step: int


class QueueMessage(QueueOut):
    """The queue as it is now, its first places."""

    type: Literal["queue"]
    id: int


class AgentsMessage(Answer):
    """The machines as they are now."""

    type: Literal["agents"]
    id: int
    items: list[Agent]


class ErrorMessage(Answer):
    """A message can't be followed; the subscription that it names, if it does, does not stand."""

    type: Literal["error"]
    id: int | None
    problem: Problem


class Pong(Answer):
    """The answer to `ping`."""

    type: Literal["pong"]


class Mark(Answer):
    """Say `seen` with this number once all before it was read; who never does is sent nothing more after 1 MiB."""

    type: Literal["mark"]
    number: int


class Goodbye(Answer):
    """The server closes the socket; come back and go on behind the last of each subscription."""

    type: Literal["goodbye"]
    reason: str


WsServerMessage = Annotated[
    Subscribed
    | RunMessage
    | RunEventMessage
    | LogMessage
    | LogGap
    | LogAttempt
    | MetricsMessage
    | MetricsGap
    | QueueMessage
    | AgentsMessage
    | ErrorMessage
    | Pong
    | Mark
    | Goodbye,
    Field(discriminator="type"),
]

EXTRA_MODELS += [("WsClientMessage", WsClientMessage), ("WsServerMessage", WsServerMessage)]
