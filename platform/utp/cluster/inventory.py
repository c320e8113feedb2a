"""What machines and GPUs there are: the picture that admission, the agents' page and `utp agents` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

UNOWNED_MEMORY_BYTES = 256 << 20
"""Used GPU memory that no visible process explains, up to which a GPU still counts as free: a display server's, say."""


@dataclass(frozen=True, kw_only=True)
class GpuProcess:
    """A process that computes on a GPU."""

    pid: int
    memory_bytes: int
    """GPU memory it holds; 0 where the driver does not tell."""
    is_ours: bool
    """Whether Ray started it, so that Ray's own count of GPUs knows of it."""
    user: str = ""
    """Who started it; empty where that can't be seen."""
    name: str = ""
    """Of its program; empty where that can't be seen."""


@dataclass(frozen=True, kw_only=True)
class GpuState:
    """One GPU as last sampled."""

    index: int
    """As CUDA counts on this machine, from 0."""
    uuid: str
    model: str
    """Such as `NVIDIA A100-SXM4-40GB`; `logical` for one that Ray was told of and that is not there."""
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    utilisation: float | None = None
    """Share of the last sampling period in which a kernel ran, 0 to 1."""
    temperature_c: float | None = None
    power_w: float | None = None
    processes: tuple[GpuProcess, ...] = ()
    is_logical: bool = False
    is_quarantined: bool = False
    quarantine_reason: str = ""

    @property
    def foreign_memory_bytes(self) -> int:
        """Memory used by processes that are not ours, those that can't be seen from this container among them."""
        ours = sum(process.memory_bytes for process in self.processes if process.is_ours)
        return max(0, (self.memory_used_bytes or 0) - ours)


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """One machine of the cluster: what Ray says of it, and what its probe last measured."""

    node_id: str
    """Ray's: 56 hex characters, new each time the machine joins."""
    hostname: str
    address: str
    is_head: bool = False
    is_alive: bool = True
    """Whether Ray lists it as alive and it was heard of within `gpu_registry.AWAY_AFTER_S`."""
    is_draining: bool = False
    """Nothing new is to start here."""
    cpus_total: float = 0.0
    """As Ray counts them."""
    cpus_free: float = 0.0
    """Not given away by Ray."""
    num_gpus_free: float = 0.0
    """GPUs not given away by Ray, whoever else may use them."""
    cpu_utilisation: float = 0.0
    """Share of all cores' time, 0 to 1."""
    memory_total_bytes: int = 0
    """Of the machine, or of the container where that has a limit."""
    memory_free_bytes: int = 0
    disk_total_bytes: int = 0
    disk_free_bytes: int = 0
    """Where Ray keeps its files."""
    shm_total_bytes: int = 0
    shm_free_bytes: int = 0
    """Shared memory, in which data loader processes hand over their batches: `/dev/shm`."""
    gpus: tuple[GpuState, ...] = ()


class Inventory(Protocol):
    """Who knows the machines."""

    def nodes(self) -> Sequence[NodeState]:
        """Return all machines known, those that are away too."""
        ...


def usable_gpus(node: NodeState) -> tuple[GpuState, ...]:
    """Return the GPUs that runs of ours may use, or use now: not in quarantine, and held by nobody else."""
    if not node.is_alive or node.is_draining:
        return ()
    return tuple(gpu for gpu in node.gpus if not gpu.is_quarantined and not _is_held_by_others(gpu))


def free_gpus(node: NodeState) -> tuple[GpuState, ...]:
    """Return the GPUs that are really free: usable, and none of our processes is on them either.

    Of logical GPUs nobody but Ray knows who uses them: `num_gpus_free` says how many of all are not given away.
    """
    return tuple(gpu for gpu in usable_gpus(node) if not gpu.processes)


def _is_held_by_others(gpu: GpuState) -> bool:
    if any(not process.is_ours for process in gpu.processes):
        return True
    return gpu.foreign_memory_bytes > UNOWNED_MEMORY_BYTES
