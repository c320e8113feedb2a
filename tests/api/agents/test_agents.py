"""Machines and GPUs as their probes reported them, and what an operator decides."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from utp.api.services import Services
from utp.store.recorder import Recorder
from utp.store.recorder.inventory import AgentFacts, GpuFacts
from utp.store.recorder.machine_samples import RINGS, MachineSample

GB = 10**9


@pytest.fixture
def machine(recorder: Recorder) -> str:
    """A machine with a free GPU, one that others compute on, and one that is used without a visible process."""
    facts = {"cpus_total": 16.0, "cpu_utilisation": 0.25, "memory_total_bytes": 64 * GB, "memory_free_bytes": 48 * GB}
    recorder.upsert_agent(AgentFacts(id="node1", hostname="box", address="10.0.0.1", facts=facts))
    theirs = {"pid": 7, "user": "eve", "name": "python", "memory_bytes": 2 * GB, "is_ours": False}
    recorder.upsert_gpus(
        "node1",
        [
            GpuFacts(index=0, uuid="GPU-0", model="A100", memory_total_bytes=GB, memory_used_bytes=0, power_w=55.0),
            GpuFacts(index=1, uuid="GPU-1", model="A100", memory_used_bytes=2 * GB, processes=[theirs]),
            GpuFacts(index=2, uuid="GPU-2", model="A100", memory_used_bytes=1 * GB, utilisation=0.5),
        ],
    )
    return "node1"


def test_machine_is_shown_with_who_uses_its_gpus(client: TestClient, machine: str) -> None:
    (agent,) = client.get("/api/v1/agents").json()["items"]
    assert (agent["name"], agent["state"], agent["cpu_percent"]) == ("box", "alive", 25.0)
    assert agent["memory_used_bytes"] == 16 * GB
    assert [gpu["state"] for gpu in agent["gpus"]] == ["free", "foreign", "foreign"]
    assert agent["gpus"][0]["power_w"] == 55.0
    assert agent["gpus"][2]["utilization_percent"] == 50.0
    assert client.get(f"/api/v1/agents/{machine}/gpus").json()["items"] == agent["gpus"]
    assert agent["gpus"][1]["processes"] == [{"pid": 7, "user": "eve", "name": "python", "memory_bytes": 2 * GB}]


def test_operator_drains_a_machine_and_quarantines_a_gpu(client: TestClient, machine: str) -> None:
    assert client.post(f"/api/v1/agents/{machine}/drain").json()["is_draining"] is True
    assert client.post(f"/api/v1/agents/{machine}/undrain").json()["is_draining"] is False
    gpu = client.post("/api/v1/gpus/GPU-0/quarantine", json={"reason": "smells"}).json()
    assert (gpu["state"], gpu["quarantine_reason"]) == ("quarantined", "smells")
    assert client.post("/api/v1/gpus/GPU-0/release").json()["state"] == "free"


def test_unknown_machines_and_gpus_do_not_exist(client: TestClient) -> None:
    assert client.get("/api/v1/agents/none").status_code == 404
    assert client.post("/api/v1/agents/none/drain").status_code == 404
    assert client.post("/api/v1/gpus/none/quarantine", json={"reason": "x"}).status_code == 404
    assert client.post("/api/v1/gpus/none/quarantine", json={}).status_code == 422


def test_machines_are_not_added_by_hand(client: TestClient) -> None:
    answer = client.post("/api/v1/agents", json={"name": "x"})
    assert answer.status_code == 405
    assert "ray start" in answer.json()["detail"]


def test_history_comes_from_the_finest_ring_that_reaches_back(
    client: TestClient, services: Services, machine: str
) -> None:
    clock = [1_000_000.0]
    services.database._clock = lambda: clock[0]
    for moment in range(30):
        clock[0] = 1_000_000.0 + 5 * moment
        sample = MachineSample(
            agent_id=machine, cpu_percent=float(moment), memory_used_bytes=1, gpus={"GPU-0": (1.0, 2)}
        )
        services.recorder.record_samples([sample])
    fine = client.get(f"/api/v1/agents/{machine}/history", params={"minutes": 30}).json()
    assert fine["cpu_percent"] == [float(moment) for moment in range(0, 30, 2)]
    assert fine["gpus"]["GPU-0"] == {"utilization_percent": [1.0] * 15, "memory_used_bytes": [2] * 15}
    coarse = client.get(f"/api/v1/agents/{machine}/history", params={"minutes": 600}).json()
    assert len(coarse["times"]) == 4  # it began in mid-minute
    clock[0] += RINGS[0].length_s
    assert client.get(f"/api/v1/agents/{machine}/history", params={"minutes": 30}).json()["times"] == []


def test_ring_overwrites_its_oldest_slot(services: Services, machine: str) -> None:
    clock = [0.0]
    services.database._clock = lambda: clock[0]
    for hour in range(3):
        clock[0] = 10_000_000.0 + hour * RINGS[0].length_s
        sample = MachineSample(agent_id=machine, cpu_percent=float(hour), memory_used_bytes=None, gpus={})
        services.recorder.record_samples([sample])
    with services.database.read() as connection:
        rows = connection.exec_driver_sql("select slot, cpu_percent from agent_samples order by slot").all()
    assert [tuple(row) for row in rows if row.slot < RINGS[0].num_slots] == [(280, 2.0)]
