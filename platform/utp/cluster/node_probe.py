"""`NodeProbe`: measures one machine. Memory, disk and shared memory everywhere, GPUs where there are some."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from utp.cluster.inventory import GpuState
from utp.core.cgroup import memory_limit_bytes, memory_used_bytes

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  the kernel's own name for it
LOGICAL = "logical"


@dataclass(frozen=True, kw_only=True)
class NodeSample:
    """What was measured on one machine at one moment."""

    node_id: str
    hostname: str
    num_cpus: int
    """Cores of the machine; Ray may have been told of fewer."""
    cpu_utilisation: float
    """Share of all cores' time since the sample before, 0 to 1."""
    memory_total_bytes: int
    memory_free_bytes: int
    disk_total_bytes: int
    disk_free_bytes: int
    shm_total_bytes: int
    shm_free_bytes: int
    gpus: tuple[GpuState, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
    """UUID of a GPU to what its hardware reported: such a GPU is to be used no more."""


class GpuReader(Protocol):
    """Reads the GPUs of this machine."""

    def sample(self) -> tuple[GpuState, ...]:
        """Return the GPUs as they are now."""
        ...

    def faults(self) -> Mapping[str, str]:
        """Return what the hardware of each faulty GPU has reported, by UUID."""
        ...


class LogicalGpus:
    """GPUs that Ray was told of on a machine without one; shown as what they are.

    Args:
        hostname: of the machine; part of their made-up UUIDs.
        count: how many Ray was told of.
    """

    def __init__(self, hostname: str, count: int) -> None:
        self._gpus = tuple(
            GpuState(index=index, uuid=f"{LOGICAL}-{hostname}-{index}", model=LOGICAL, is_logical=True)
            for index in range(count)
        )

    def sample(self) -> tuple[GpuState, ...]:
        """Return them; there is nothing to measure."""
        return self._gpus

    def faults(self) -> Mapping[str, str]:
        """Return nothing: what is not there does not break."""
        return {}


class NodeProbe:
    """Measures the machine it runs on.

    Args:
        node_id: Ray's id of this node.
        gpus: reader of its GPUs.
        disk: a folder on the file system where Ray keeps its files.
        shared_memory: where shared memory is mounted.
    """

    def __init__(self, node_id: str, gpus: GpuReader, disk: Path, shared_memory: Path = SHARED_MEMORY) -> None:
        self._node_id = node_id
        self._gpus = gpus
        self._disk = disk
        self._shared_memory = shared_memory
        psutil.cpu_percent()  # the first call has nothing to compare with

    def sample(self) -> NodeSample:
        """Measure now; takes some milliseconds."""
        memory_total, memory_free = _memory()
        disk_total, _, disk_free = shutil.disk_usage(self._disk)
        shm_total, _, shm_free = shutil.disk_usage(self._shared_memory) if self._shared_memory.is_dir() else (0, 0, 0)
        return NodeSample(
            node_id=self._node_id,
            hostname=os.uname().nodename,
            num_cpus=os.cpu_count() or 1,
            cpu_utilisation=psutil.cpu_percent() / 100,
            memory_total_bytes=memory_total,
            memory_free_bytes=memory_free,
            disk_total_bytes=disk_total,
            disk_free_bytes=disk_free,
            shm_total_bytes=shm_total,
            shm_free_bytes=shm_free,
            gpus=self._gpus.sample(),
            faults=self._gpus.faults(),
        )


def _memory() -> tuple[int, int]:
    """Bytes of memory, all and free, of the machine or of the container where that may use less."""
    machine = psutil.virtual_memory()
    limit = memory_limit_bytes()
    if limit is None or limit >= machine.total:
        return machine.total, machine.available
    return limit, max(0, min(machine.available, limit - memory_used_bytes()))
