"""`GpuRegistry`: which machines and GPUs there are now. Nodes come and go by themselves, as Ray's list of nodes says.

Everything here is a cache over Ray's list and the probes' reports, so that a restarted registry is whole again as soon
as each probe has reported once. What was decided, quarantine and drain, is the store's, and read at each step.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from utp.cluster.inventory import GpuState, NodeState
from utp.cluster.node_probe import NodeSample

AWAY_AFTER_S = 30.0
"""A node whose probe has not reported for so long offers nothing, though Ray may still call it alive."""
HISTORY = 120
"""Samples kept of each node: ten minutes at one every five seconds."""


@dataclass(frozen=True, kw_only=True)
class RayNode:
    """One entry of Ray's list of nodes."""

    node_id: str
    hostname: str
    address: str
    is_alive: bool = True
    is_head: bool = False
    is_draining: bool = False
    resources: Mapping[str, float] = field(default_factory=dict)
    """What Ray was told it has: CPU, GPU, ..."""
    free_resources: Mapping[str, float] = field(default_factory=dict)
    """What of that is not given away."""


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What a person, or a fault of the hardware, decided about machines."""

    quarantined: Mapping[str, str] = field(default_factory=dict)
    """UUID of a GPU to the reason: it is offered to no new run."""
    draining: Mapping[str, str] = field(default_factory=dict)
    """Node id to the reason: nothing new starts there."""


class InventoryStore(Protocol):
    """What the registry needs of the store."""

    def read_decisions(self) -> Decisions:
        """Return what is decided now."""
        ...

    def write_nodes(self, nodes: Sequence[NodeState]) -> None:
        """Insert or update agents and their GPUs, decisions left alone; those that are not among them are gone."""
        ...

    def quarantine(self, uuid: str, reason: str) -> bool:
        """Decide that a GPU is not to be used; the first reason stays. False if it is not known yet."""
        ...


class GpuRegistry:
    """Joins Ray's list of nodes with what the probes report.

    Args:
        list_nodes: asks Ray for its nodes.
        store: keeps agents, GPUs and decisions.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        list_nodes: Callable[[], Sequence[RayNode]],
        store: InventoryStore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._list_nodes = list_nodes
        self._store = store
        self._clock = clock
        self._decisions = store.read_decisions()
        self._ray_nodes: dict[str, RayNode] = {}
        self._samples: dict[str, deque[NodeSample]] = {}
        self._seen: dict[str, float] = {}
        self._faults: set[tuple[str, str]] = set()

    def report(self, sample: NodeSample) -> None:
        """Take what a probe measured; a heart-beat. A GPU whose hardware reports a fault goes into quarantine.

        A fault is acted on once: who releases the GPU by hand knows of it.
        """
        self._samples.setdefault(sample.node_id, deque(maxlen=HISTORY)).append(sample)
        self._seen[sample.node_id] = self._clock()
        for uuid, reason in set(sample.faults.items()) - self._faults:
            if self._store.quarantine(uuid, reason):  # else with the next sample, when its node is written
                self._faults.add((uuid, reason))
                self._decisions = self._store.read_decisions()

    def step(self) -> None:
        """Ask Ray who is there, write agents and GPUs, forget the nodes that left. Call every few seconds."""
        self._ray_nodes = {node.node_id: node for node in self._list_nodes() if node.is_alive}
        self._decisions = self._store.read_decisions()
        for node_id in self._samples.keys() - self._ray_nodes.keys():
            if self._is_away(node_id):  # one that has just joined may report before Ray lists it
                del self._samples[node_id], self._seen[node_id]
        self._store.write_nodes(self.nodes())

    def nodes(self) -> tuple[NodeState, ...]:
        """Return the machines that Ray listed at the last step, the head first."""
        states = [self._merge(node) for node in self._ray_nodes.values()]
        return tuple(sorted(states, key=lambda state: (not state.is_head, state.hostname, state.node_id)))

    def history(self, node_id: str) -> tuple[NodeSample, ...]:
        """Return the latest samples of a node, oldest first; empty for one that is unknown."""
        return tuple(self._samples.get(node_id, ()))

    def _merge(self, node: RayNode) -> NodeState:
        state = NodeState(
            node_id=node.node_id,
            hostname=node.hostname,
            address=node.address,
            is_head=node.is_head,
            is_alive=node.is_alive and not self._is_away(node.node_id),
            is_draining=node.is_draining or node.node_id in self._decisions.draining,
            cpus_total=node.resources.get("CPU", 0.0),
            cpus_free=node.free_resources.get("CPU", 0.0),
            num_gpus_free=node.free_resources.get("GPU", 0.0),
        )
        samples = self._samples.get(node.node_id)
        if not samples:
            return state
        sample = samples[-1]
        return replace(
            state,
            cpu_utilisation=sample.cpu_utilisation,
            memory_total_bytes=sample.memory_total_bytes,
            memory_free_bytes=sample.memory_free_bytes,
            disk_total_bytes=sample.disk_total_bytes,
            disk_free_bytes=sample.disk_free_bytes,
            shm_total_bytes=sample.shm_total_bytes,
            shm_free_bytes=sample.shm_free_bytes,
            gpus=tuple(map(self._with_quarantine, sample.gpus)),
        )

    def _with_quarantine(self, gpu: GpuState) -> GpuState:
        reason = self._decisions.quarantined.get(gpu.uuid)
        return gpu if reason is None else replace(gpu, is_quarantined=True, quarantine_reason=reason)

    def _is_away(self, node_id: str) -> bool:
        return self._clock() - self._seen.get(node_id, float("-inf")) > AWAY_AFTER_S
