"""Bodies of machines and GPUs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from utp.api.schemas import Answer, Asked, Page, Text, Time


class AgentState(StrEnum):
    """Whether a machine is part of the cluster."""

    ALIVE = "alive"
    GONE = "gone"


class GpuState(StrEnum):
    """Who a GPU is there for now."""

    FREE = "free"
    BUSY = "busy"
    """A run of ours holds it."""
    FOREIGN = "foreign"
    """Processes of others compute on it, so no run is started there."""
    QUARANTINED = "quarantined"


class GpuProcess(Answer):
    """A process that computes on a GPU; user and name are empty where they can't be seen."""

    pid: int
    user: str
    name: str
    memory_bytes: int


class Gpu(Answer):
    """One GPU, as its machine last reported."""

    uuid: str
    index: int
    """As CUDA counts on its machine, from 0."""
    name: str
    memory_bytes: int | None
    memory_used_bytes: int | None
    utilization_percent: float | None
    temperature_c: float | None
    power_w: float | None
    state: GpuState
    quarantine_reason: str
    run_id: str | None
    """The run that holds it; null also where you may not see that run."""
    processes: list[GpuProcess]


class AgentRun(Answer):
    """A run that a machine works on."""

    run_id: str
    name: str


class Agent(Answer):
    """One machine."""

    id: str
    name: str
    address: str
    state: AgentState
    is_draining: bool
    """Nothing new starts there."""
    last_seen_at: Time
    num_cpus: float
    """As Ray counts them."""
    cpu_percent: float | None
    memory_bytes: int | None
    memory_used_bytes: int | None
    disk_free_bytes: int | None
    shm_bytes: int | None
    num_gpus: int
    runs: list[AgentRun]
    gpus: list[Gpu]


class AgentPage(Page[Agent]):
    """Machines, those that are gone last."""


class GpuList(Answer):
    """GPUs of one machine, by index."""

    items: list[Gpu]


class Quarantine(Asked):
    """Why a GPU gets no new run."""

    reason: Annotated[Text, Field(min_length=1, max_length=500)]


class GpuHistory(Answer):
    """One GPU at each of the times."""

    utilization_percent: list[float | None]
    memory_used_bytes: list[int | None]


class AgentHistory(Answer):
    """What a machine did, the oldest first: 10 s apart in the last hour, a minute in a day, 10 minutes before."""

    times: list[Time]
    cpu_percent: list[float | None]
    memory_used_bytes: list[int | None]
    gpus: dict[str, GpuHistory]
    """By UUID."""
