"""The machines as the store last knew them: enough to say what could never run here."""

from __future__ import annotations

from utp.cluster.inventory import GpuState, NodeState
from utp.store.database import Database
from utp.store.repositories.agents import AgentRepository, GpuRow


def read_nodes(database: Database) -> list[NodeState]:
    """Return the machines that are part of the cluster, with their totals; who uses what is not told."""
    return [
        NodeState(
            node_id=agent.id,
            hostname=agent.hostname,
            address=agent.address,
            is_alive=agent.is_alive,
            is_draining=agent.is_draining,
            cpus_total=agent.facts.get("cpus_total", 0.0),
            memory_total_bytes=agent.facts.get("memory_total_bytes", 0),
            gpus=tuple(_gpu(gpu) for gpu in agent.gpus),
        )
        for agent in AgentRepository(database).list_agents()
        if agent.facts.get("memory_total_bytes")  # one that has not been measured yet says nothing
    ]


def _gpu(gpu: GpuRow) -> GpuState:
    return GpuState(
        index=gpu.index, uuid=gpu.uuid, model=gpu.model, memory_total_bytes=gpu.memory_total_bytes,
        is_logical=gpu.is_logical,
    )  # fmt: skip
