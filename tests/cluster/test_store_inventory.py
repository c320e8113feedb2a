"""What the registry knows stands in the store, and what people decide there is heeded."""

from __future__ import annotations

import pytest
from tests.cluster.test_gpu_registry import HEAD, WORKER, sample_of

from utp.cluster.gpu_registry import GpuRegistry, RayNode
from utp.cluster.store_inventory import StoreInventory
from utp.store.database import Database
from utp.store.recorder import Recorder
from utp.store.repositories.agents import AgentRepository, AgentRow


class Machines:
    """A registry on a store, and the list of nodes that Ray gives."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.listed: list[RayNode] = [HEAD, WORKER]
        self.restart()

    def restart(self) -> None:
        self.registry = GpuRegistry(lambda: self.listed, StoreInventory(self.database))

    def beat(self, *nodes: RayNode, faults: dict[str, str] | None = None) -> None:
        for node in nodes:
            self.registry.report(sample_of(node, faults=faults or {}))
        self.registry.step()

    def rows(self) -> list[AgentRow]:
        return AgentRepository(self.database).list_agents()

    def quarantined(self) -> dict[str, str]:
        return {
            gpu.uuid: gpu.quarantine_reason for node in self.registry.nodes() for gpu in node.gpus if gpu.is_quarantined
        }


@pytest.fixture
def machines(database: Database) -> Machines:
    return Machines(database)


def test_nodes_and_gpus_are_rows(machines: Machines) -> None:
    machines.beat(HEAD, WORKER)
    head, worker = machines.rows()
    assert (head.hostname, head.facts["memory_free_bytes"], head.facts["is_head"]) == ("head", 60, True)
    assert [(gpu.index, gpu.model) for gpu in worker.gpus] == [(0, "A100"), (1, "A100")]


def test_node_that_left_is_marked_gone(machines: Machines) -> None:
    machines.beat(HEAD, WORKER)
    machines.listed = [HEAD]
    machines.beat(HEAD)
    assert [row.hostname for row in machines.rows()] == ["head"]


def test_decisions_of_people_hold_until_they_are_taken_back(machines: Machines, recorder: Recorder) -> None:
    machines.beat(HEAD, WORKER)
    assert recorder.quarantine_gpu("head-1", "fan is loud")
    assert recorder.set_draining(WORKER.node_id, True)
    machines.restart()
    for _ in range(2):
        machines.beat(HEAD, WORKER)
        assert machines.quarantined() == {"head-1": "fan is loud"}
        assert [node.is_draining for node in machines.registry.nodes()] == [False, True]
    assert recorder.release_gpu("head-1")
    assert recorder.set_draining(WORKER.node_id, False)
    machines.beat(HEAD, WORKER)
    assert machines.quarantined() == {}
    assert not any(node.is_draining for node in machines.registry.nodes())


def test_faulty_gpu_stays_in_quarantine_when_its_machine_joins_anew(machines: Machines) -> None:
    machines.beat(HEAD, WORKER)
    machines.beat(WORKER, faults={"worker-0": "XID 79: fallen off the bus"})
    again = RayNode(node_id="n" * 56, hostname="worker", address="10.0.0.2")
    machines.listed = [HEAD, again]
    machines.restart()
    machines.beat(HEAD, again)
    assert machines.quarantined() == {"worker-0": "XID 79: fallen off the bus"}


def test_fault_reported_before_the_gpu_is_known_is_not_forgotten(machines: Machines) -> None:
    machines.beat(HEAD, WORKER, faults={"head-0": "XID 48: double-bit ECC error"})
    machines.beat(HEAD, WORKER, faults={"head-0": "XID 48: double-bit ECC error"})
    assert machines.quarantined() == {"head-0": "XID 48: double-bit ECC error"}


def test_unknown_machines_are_told_apart(recorder: Recorder) -> None:
    assert not recorder.quarantine_gpu("absent", "")
    assert not recorder.release_gpu("absent")
    assert not recorder.set_draining("absent", True)
