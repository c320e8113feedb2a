"""The line of runs that wait, and how it is reordered."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import Settings
from utp.store.recorder import Recorder
from utp.store.recorder.inventory import AgentFacts, GpuFacts
from utp.store.recorder.waiting import Wait

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)


@pytest.fixture
def submit(recorder: Recorder, settings: Settings) -> Callable[..., str]:
    return lambda **asked: recorder.queue_run(CONFIG, RunRequest(**asked), settings=settings, owner="ann").id


def ids(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [item["run_id"] for item in answer["items"]]


def test_queue_says_place_reason_and_estimate(
    client: TestClient, recorder: Recorder, submit: Callable[..., str]
) -> None:
    first, second = submit(num_workers=2, gpus_per_worker=4), submit()
    recorder.set_waits({first: Wait("waits for 8 GPUs", 2, 120.0), second: Wait("waits for 1 GPU", 1)})
    queue = client.get("/api/v1/queue").json()
    assert ids(queue) == [second, first]
    later = queue["items"][1]
    assert (later["position"], later["gpus"], later["workers"]) == (2, 8, 2)
    assert (later["wait_reason"], queue["total"]) == ("waits for 8 GPUs", 2)
    assert 100 < later["starts_in_s"] <= 120
    assert queue["items"][0]["starts_in_s"] is None


def test_queue_is_read_in_pages(client: TestClient, submit: Callable[..., str]) -> None:
    runs = [submit() for _ in range(3)]
    page = client.get("/api/v1/queue", params={"limit": 2}).json()
    rest = client.get("/api/v1/queue", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert ids(page) + ids(rest) == runs
    assert [item["position"] for item in rest["items"]] == [3]
    assert rest["next_cursor"] is None


def test_run_moves_ahead_of_another_and_to_the_end(client: TestClient, submit: Callable[..., str]) -> None:
    first, second, third, urgent = submit(), submit(), submit(), submit(priority=5)
    assert ids(client.get("/api/v1/queue").json()) == [urgent, first, second, third]
    moved = client.post(f"/api/v1/queue/{third}/move", json={"before_run_id": first})
    assert ids(moved.json()) == [urgent, third, first, second]
    moved = client.post(f"/api/v1/queue/{second}/move", json={"before_run_id": urgent})
    assert ids(moved.json()) == [second, urgent, third, first]
    assert moved.json()["items"][0]["priority"] == 5
    moved = client.post(f"/api/v1/queue/{urgent}/move", json={"before_run_id": None})
    assert ids(moved.json()) == [second, third, first, urgent]


def test_run_that_does_not_wait_has_no_place(
    client: TestClient, recorder: Recorder, submit: Callable[..., str]
) -> None:
    run_id, other = submit(), submit()
    recorder.begin_submission(run_id)
    answer = client.post(f"/api/v1/queue/{run_id}/move", json={"before_run_id": other})
    assert answer.status_code == 409
    assert client.post(f"/api/v1/queue/{'e' * 32}/move", json={"before_run_id": None}).status_code == 404
    queue = client.get("/api/v1/queue").json()
    assert [run["run_id"] for run in queue["active"]] == [run_id]


def test_free_gpus_are_those_that_nobody_holds(
    client: TestClient, recorder: Recorder, submit: Callable[..., str]
) -> None:
    recorder.upsert_agent(AgentFacts(id="n1", hostname="box", address="10.0.0.1"))
    recorder.upsert_gpus("n1", [GpuFacts(index=index, uuid=f"GPU-{index}", model="A100") for index in range(4)])
    recorder.quarantine_gpu("GPU-3", "broken")
    run_id = submit()
    submission = recorder.begin_submission(run_id)
    assert submission is not None
    shares = [{"node_id": "n1", "num_workers": 1, "cpus": 1.0, "memory_bytes": 0, "gpus": [0]}]
    recorder.mark_submitted(run_id, submission.attempt, placement={"shares": shares})
    queue = client.get("/api/v1/queue").json()
    assert (queue["free_gpus"], queue["total_gpus"]) == (2, 4)
    assert queue["active"][0]["hosts"] == ["box"]
    (agent,) = client.get("/api/v1/agents").json()["items"]
    assert agent["gpus"][0]["run_id"] == run_id
    assert [run["run_id"] for run in agent["runs"]] == [run_id]
