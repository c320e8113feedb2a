"""`StoreInventory`: the registry's side of the store, agents and GPUs as rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from utp.cluster.gpu_registry import Decisions
from utp.cluster.inventory import GpuState, NodeState
from utp.store.database import Database
from utp.store.recorder import Recorder
from utp.store.recorder.inventory import AgentFacts, GpuFacts
from utp.store.recorder.machine_samples import RINGS, MachineSample
from utp.store.repositories.agents import AgentRepository

TIDY_EVERY_S = 3600.0
"""A machine has a new id each time it joins, so that the rows of those that left would add up."""

_FACTS = (
    "is_head",
    "cpus_total",
    "cpus_free",
    "num_gpus_free",
    "cpu_utilisation",
    "memory_total_bytes",
    "memory_free_bytes",
    "disk_total_bytes",
    "disk_free_bytes",
    "shm_total_bytes",
    "shm_free_bytes",
)


class StoreInventory:
    """Fills `gpu_registry.InventoryStore`.

    Args:
        database: the store.
        clock: seconds that only go forward.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._recorder = Recorder(database)
        self._agents = AgentRepository(database)
        self._clock = clock
        self._sampled_at = self._tidied_at = float("-inf")

    def read_decisions(self) -> Decisions:
        """Return what is decided now, of machines that are away too."""
        agents = self._agents.list_agents(with_gone=True)
        gpus = [gpu for agent in agents for gpu in agent.gpus if gpu.is_quarantined]
        return Decisions(
            quarantined={gpu.uuid: gpu.quarantine_reason for gpu in gpus},
            draining={agent.id: "" for agent in agents if agent.is_draining},
        )

    def write_nodes(self, nodes: Sequence[NodeState]) -> None:
        """Insert or update agents and their GPUs, decisions left alone; those that are not among them are gone."""
        for node in nodes:
            facts = {name: getattr(node, name) for name in _FACTS}
            agent = AgentFacts(
                id=node.node_id, hostname=node.hostname, address=node.address, is_alive=node.is_alive, facts=facts
            )
            self._recorder.upsert_agent(agent)
            if node.gpus or node.is_alive:  # of one that has not reported yet, what is known of it stays
                self._recorder.upsert_gpus(node.node_id, [_facts_of(gpu) for gpu in node.gpus])
        self._recorder.mark_agents_gone([node.node_id for node in nodes])
        if self._clock() - self._sampled_at >= RINGS[0].period_s:
            self._recorder.record_samples([_sample_of(node) for node in nodes if node.memory_total_bytes])
            self._sampled_at = self._clock()
        if self._clock() - self._tidied_at >= TIDY_EVERY_S:
            self._recorder.forget_agents(RINGS[-1].length_s)  # nothing can be drawn of them any more
            self._tidied_at = self._clock()

    def quarantine(self, uuid: str, reason: str) -> bool:
        """Decide that a GPU is not to be used; the first reason stays. False if it is not known yet."""
        return self._recorder.quarantine_gpu(uuid, reason)


def _sample_of(node: NodeState) -> MachineSample:
    return MachineSample(
        agent_id=node.node_id,
        cpu_percent=100 * node.cpu_utilisation,
        memory_used_bytes=node.memory_total_bytes - node.memory_free_bytes,
        gpus={gpu.uuid: (_percent(gpu.utilisation), gpu.memory_used_bytes) for gpu in node.gpus},
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _facts_of(gpu: GpuState) -> GpuFacts:
    return GpuFacts(**asdict(gpu))
