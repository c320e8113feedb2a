"""Nodes come and go, GPUs go into quarantine, and a restarted registry knows all of it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from utp.cluster.gpu_registry import AWAY_AFTER_S, HISTORY, Decisions, GpuRegistry, RayNode
from utp.cluster.inventory import GpuState, NodeState, free_gpus
from utp.cluster.node_probe import NodeSample

HEAD = RayNode(
    node_id="h" * 56,
    hostname="head",
    address="10.0.0.1",
    is_head=True,
    resources={"CPU": 8.0, "GPU": 2.0},
    free_resources={"CPU": 6.0, "GPU": 2.0},
)
WORKER = replace(HEAD, node_id="w" * 56, hostname="worker", address="10.0.0.2", is_head=False)


def sample_of(node: RayNode, **changes: object) -> NodeSample:
    gpus = tuple(GpuState(index=i, uuid=f"{node.hostname}-{i}", model="A100") for i in range(2))
    sample = NodeSample(
        node_id=node.node_id,
        hostname=node.hostname,
        num_cpus=8,
        cpu_utilisation=0.5,
        memory_total_bytes=100,
        memory_free_bytes=60,
        disk_total_bytes=100,
        disk_free_bytes=50,
        shm_total_bytes=10,
        shm_free_bytes=9,
        gpus=gpus,
    )
    return replace(sample, **changes)  # type: ignore[arg-type]


class Cluster:
    """A cluster whose nodes, time and store the test sets."""

    def __init__(self) -> None:
        self.listed: list[RayNode] = [HEAD, WORKER]
        self.now = 1000.0
        self.written: Sequence[NodeState] = ()
        self.decisions = Decisions()
        self.registry = self.restart()

    def restart(self) -> GpuRegistry:
        self.registry = GpuRegistry(lambda: self.listed, self, lambda: self.now)
        return self.registry

    def beat(self, *nodes: RayNode) -> None:
        for node in nodes:
            self.registry.report(sample_of(node))
        self.registry.step()

    def read_decisions(self) -> Decisions:
        return self.decisions

    def write_nodes(self, nodes: Sequence[NodeState]) -> None:
        self.written = nodes

    def quarantine(self, uuid: str, reason: str) -> bool:
        self.decisions = replace(self.decisions, quarantined={uuid: reason, **self.decisions.quarantined})
        return True


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_node_is_there_as_soon_as_ray_lists_it_and_its_probe_reports(cluster: Cluster) -> None:
    cluster.registry.report(sample_of(WORKER))  # earlier than Ray's list
    cluster.beat(HEAD)
    assert [(node.hostname, node.is_alive, len(node.gpus)) for node in cluster.written] == [
        ("head", True, 2),
        ("worker", True, 2),
    ]
    assert cluster.written[0].cpus_free == 6.0


def test_node_without_a_report_offers_nothing(cluster: Cluster) -> None:
    cluster.beat(HEAD)
    worker = cluster.written[1]
    assert not worker.is_alive
    assert worker.gpus == ()
    assert free_gpus(worker) == ()


def test_node_unseen_for_half_a_minute_is_away_and_back_with_the_next_report(cluster: Cluster) -> None:
    cluster.beat(HEAD, WORKER)
    cluster.now += AWAY_AFTER_S + 1
    cluster.beat(HEAD)
    assert [node.is_alive for node in cluster.written] == [True, False]
    cluster.beat(WORKER)
    assert [node.is_alive for node in cluster.written] == [True, True]


def test_node_that_leaves_is_written_no_more_and_forgotten(cluster: Cluster) -> None:
    cluster.beat(HEAD, WORKER)
    cluster.listed = [HEAD, replace(WORKER, is_alive=False)]
    cluster.now += AWAY_AFTER_S + 1
    cluster.beat(HEAD)
    assert [node.hostname for node in cluster.written] == ["head"]
    assert cluster.registry.history(WORKER.node_id) == ()


def test_fault_of_the_hardware_puts_a_gpu_into_quarantine(cluster: Cluster) -> None:
    cluster.registry.report(sample_of(HEAD, faults={"head-1": "XID 79: fallen off the bus"}))
    cluster.registry.step()
    gpu = cluster.written[0].gpus[1]
    assert (gpu.is_quarantined, gpu.quarantine_reason) == (True, "XID 79: fallen off the bus")
    assert [gpu.index for gpu in free_gpus(cluster.written[0])] == [0]


def test_gpu_released_by_hand_stays_released_while_the_same_fault_is_reported(cluster: Cluster) -> None:
    faulty = sample_of(HEAD, faults={"head-1": "2 uncorrected ECC errors"})
    cluster.registry.report(faulty)
    cluster.decisions = Decisions()
    cluster.registry.report(faulty)
    cluster.registry.step()
    assert not cluster.written[0].gpus[1].is_quarantined


def test_draining_node_offers_nothing(cluster: Cluster) -> None:
    cluster.decisions = Decisions(draining={WORKER.node_id: "new power supply"})
    cluster.beat(HEAD, WORKER)
    assert [len(free_gpus(node)) for node in cluster.written] == [2, 0]


def test_restarted_registry_knows_decisions_at_once_and_nodes_with_their_next_report(cluster: Cluster) -> None:
    cluster.beat(HEAD, WORKER)
    cluster.registry.report(sample_of(HEAD, faults={"head-0": "XID 48: double-bit ECC error"}))
    before = cluster.registry.nodes()
    cluster.restart()
    cluster.beat(HEAD, WORKER)
    assert cluster.registry.nodes() == before


def test_history_is_bounded(cluster: Cluster) -> None:
    for _ in range(HISTORY + 5):
        cluster.registry.report(sample_of(HEAD))
    assert len(cluster.registry.history(HEAD.node_id)) == HISTORY
