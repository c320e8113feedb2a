"""Runs in the queue, and attempts that end as a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from utp.errors import FailureKind
from utp.store.recorder import Recorder
from utp.store.states import Outcome

RUNS = "/api/v1/runs"
CONFIG = {"root": "fruit", "model_flavour": "builtin/vit-tiny", "load_pretrained": False}

Queue = Callable[..., dict[str, Any]]
Fail = Callable[[str], None]


@pytest.fixture
def queue(client: TestClient, project_id: str) -> Queue:
    """Return a function that queues a run over HTTP."""

    def post(**fields: Any) -> dict[str, Any]:
        config = {**CONFIG, **fields.pop("config", {})}
        answer = client.post(RUNS, json={"project_id": project_id, "config": config, **fields})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    return post


@pytest.fixture
def config_id(client: TestClient, project_id: str) -> str:
    asked = {"project_id": project_id, "name": "base", "config": CONFIG}
    return str(client.post("/api/v1/configs", json=asked).json()["id"])


@pytest.fixture
def start(recorder: Recorder) -> Callable[[str], None]:
    """Return a function that brings a queued run to its first steps."""

    def begin(run_id: str) -> None:
        recorder.begin_submission(run_id)
        recorder.mark_submitted(run_id, 1, placement={"node": "a"})
        recorder.mark_running(run_id, 1, host="a", pid=1, start_step=0, total_steps=100, epochs=10)
        recorder.beat(run_id, 1, step=25, epoch=2)

    return begin


@pytest.fixture
def fail(client: TestClient, recorder: Recorder, start: Callable[[str], None]) -> Fail:
    """Return a function that has a queued run die for want of GPU memory."""

    def end(run_id: str) -> None:
        start(run_id)
        run_dir = client.get(f"{RUNS}/{run_id}").json()["run_dir"]
        folder = Path(run_dir) / "attempts" / "1"
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({"traceback": "Traceback: <script>"}))
        (folder / "rank0.log").write_text("epoch 1\n\nRuntimeError: CUDA out of memory, 2 GB wanted\nbye\n\n")
        said = "CUDA out of memory"
        recorder.end_attempt(run_id, 1, outcome=Outcome.FAILED, failure_kind=FailureKind.OOM_GPU, message=said)

    return end
