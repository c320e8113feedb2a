"""One of everything that the API knows, made anew as often as requests have used it up."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.testclient import TestClient
from tests.support.digits_runs import DigitsRuns

from utp.api.services import Services
from utp.cluster.run_import import import_run
from utp.config.paths import RunPaths
from utp.entrypoints.scan import scan
from utp.store.recorder.inventory import AgentFacts, GpuFacts

CONFIG = {"root": "digits", "model_flavour": "builtin/vit-tiny", "load_pretrained": False}
EPOCH = 2
Known = Mapping[str, Sequence[Any]]
"""Values that name something real, by the names that parameters and fields of bodies have."""


class World:
    """Makes what made-up requests meet: a project with a finished run and its files, a scanned dataset, a model, ...

    Args:
        client: signed in as an admin.
        services: of the app behind it; the mounts are this test's own.
        digits: real runs, copied and never changed.
    """

    def __init__(self, client: TestClient, services: Services, digits: DigitsRuns) -> None:
        self._client = client
        self._services = services
        self._number = 0
        self._pattern = digits.finished_paths
        datasets = services.settings.datasets_dir
        assert datasets is not None
        shutil.copytree(digits.mounts / "datasets", datasets, dirs_exist_ok=True)

    def make(self) -> Known:
        """Make one of everything, all of it new but the machine."""
        self._number += 1
        project_id = self._post("/projects", name=f"project {self._number}")["id"]
        finished = self._import_run(f"project {self._number}")
        config_id = self._post("/configs", project_id=project_id, name="config", config=CONFIG)["id"]
        queued = self._post("/runs", project_id=project_id, config=CONFIG)["id"]
        user_id = self._post("/users", name=f"user {self._number}")["id"]
        return {
            "project_id": [project_id],
            "group_id": [self._post(f"/projects/{project_id}/groups", name="group")["id"]],
            "config_id": [config_id],
            "run_id": [finished, queued],
            "run_ids": [finished, queued],
            "ids": [f"{finished},{queued}"],
            "a": [finished, config_id],
            "b": [queued, config_id],
            "before_run_id": [queued],
            "user_id": [user_id],
            "token_id": [self._post("/tokens", name="token")["id"]],
            "key": [f"runs-{finished}", f"project-{project_id}"],
            "epoch": [EPOCH],
            "split": ["val", "train"],
            "stream": ["rank0.log"],
            **self._make_dataset(project_id),
            **self._make_model(project_id, finished),
            **self._make_machine(),
            **self._find_files(finished),
        }

    def _import_run(self, project: str) -> str:
        """Copy a real run, folder and checkpoints, and record the copy."""
        root = self._services.settings.shared_logs_dir
        assert root is not None
        name = f"run-{self._number}"
        paths = RunPaths(root / "runs" / "digits" / name, root / "checkpoints" / "digits" / name)
        shutil.copytree(self._pattern.run_dir, paths.run_dir)
        shutil.copytree(self._pattern.checkpoint_dir, paths.checkpoint_dir)
        return import_run(paths, self._services.recorder, self._services.settings, project=project)

    def _make_dataset(self, project_id: str) -> dict[str, Sequence[Any]]:
        """Register the digits with the project, and scan them in this process."""
        services = self._services
        dataset_id = self._post(f"/projects/{project_id}/datasets", root="digits")["id"]
        if self._get(f"/datasets/{dataset_id}")["scan"]["state"] != "done":
            token = services.recorder.begin_scan(dataset_id)
            if token is not None:  # else one of a request's own is under way
                scan(services.database, services.settings, dataset_id, token)
        samples = self._client.get(f"/api/v1/datasets/{dataset_id}/samples", params={"limit": 2})
        items = samples.json().get("items", [])
        return {"dataset_id": [dataset_id], "sample_id": [one["id"] for one in items], "label": ["0"]}

    def _make_model(self, project_id: str, run_id: str) -> dict[str, Sequence[Any]]:
        items = self._get(f"/runs/{run_id}/checkpoints")["items"]
        checkpoint = next(one for one in items if one["is_best"])
        model_id = self._post(f"/projects/{project_id}/models", name="model")["id"]
        for _ in range(2):
            self._post(f"/models/{model_id}/versions", run_id=run_id, checkpoint=checkpoint["name"])
        file = checkpoint["files"][0]["name"]
        return {"model_id": [model_id], "version": [1, 2], "checkpoint": [checkpoint["name"]], "file": [file]}

    def _make_machine(self) -> dict[str, Sequence[Any]]:
        recorder = self._services.recorder
        recorder.upsert_agent(AgentFacts(id="node1", hostname="box", address="10.0.0.1", facts={"cpus_total": 16.0}))
        recorder.upsert_gpus("node1", [GpuFacts(index=0, uuid="GPU-0", model="A100", memory_total_bytes=10**9)])
        return {"agent_id": ["node1"], "uuid": ["GPU-0"]}

    def _find_files(self, run_id: str) -> dict[str, Sequence[Any]]:
        """Return names of figures and checkpoints, which share a name among parameters, and ids of images."""
        figures = self._get(f"/runs/{run_id}/figures")["items"]
        checkpoints = self._get(f"/runs/{run_id}/checkpoints")["items"]
        predictions = self._get(f"/runs/{run_id}/predictions?split=val")["items"]
        names = [figures[0]["name"], checkpoints[0]["name"], "files"]
        return {"name": names, "image_id": [predictions[0]["id"]]}

    def _post(self, path: str, **asked: Any) -> dict[str, Any]:
        answer = self._client.post(f"/api/v1{path}", json=asked)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def _get(self, path: str) -> dict[str, Any]:
        answer = self._client.get(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def put_real_values(case: Any, known: Known, seed: int) -> None:
    """Name real things in some of a request's parameters and fields: which ones, and what, the seed decides."""
    chosen = random.Random(seed)
    for holder in (case.path_parameters, case.query, case.body):
        for name in tuple(holder) if isinstance(holder, dict) else ():
            values = known.get(name)
            if values and chosen.random() < 0.7:
                is_list = isinstance(holder[name], list)
                holder[name] = list(values) if is_list else chosen.choice(values)
