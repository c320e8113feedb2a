"""Over Ray Serve, on runs that trained there: the endpoints that the seed names, and every GET route there is."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import pytest
from tests.serve_e2e.following import open_socket
from tests.support.live_platform import CONFIG, wait_until
from tests.support.web_platform import WebPlatform

from utp.config.loading import dump_config
from utp.store.repositories.runs import RunDetail
from utp.store.states import RunState

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(900)]

Known = Mapping[str, Any]
QUERIES: Mapping[str, str] = {
    "/configs/diff": "a={config_id}&b={other_config_id}",
    "/metrics": "run_ids={run_id},{other_run_id}&names=*",
    "/runs/compare": "ids={run_id},{other_run_id}",
    "/runs/compare/images": "a={run_id}&b={other_run_id}&split=val",
    "/runs/{run_id}/logs/search": "q=epoch",
    "/runs/{run_id}/predictions": "split=val",
    "/runs/{run_id}/checkpoints/{name}/files/{file}": "",
}
"""What a route can't do without."""


@pytest.fixture
def client(platform: WebPlatform) -> Iterator[httpx2.Client]:
    with platform.http() as client:
        client.base_url = f"{platform.url}/api/v1"
        yield client


@pytest.fixture(scope="module")
def second(platform: WebPlatform, finished: RunDetail) -> dict[str, str]:
    """Of the project that the finished run made: a config and a run by the seed's endpoints, trained to its end."""
    with platform.http() as client:
        client.base_url = f"{platform.url}/api/v1"
        (project,) = client.get("/projects", params={"q": "default"}).json()["items"]
        asked = {"project_id": project["id"], "name": "seeded", "config": dump_config(CONFIG)}
        config = created(client.post("/configs", json=asked))
        other = created(client.post(f"/configs/{config['id']}/clone", json={"name": "a clone"}))
        runs = created(client.post(f"/runs/from-config/{config['id']}", json={"name_suffix": "seeded"}))
        (run,) = runs["items"]
    platform.wait_ended(run["id"])
    names = ("project_id", "config_id", "other_config_id", "other_run_id")
    return dict(zip(names, (project["id"], config["id"], other["id"], run["id"]), strict=True))


def created(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_endpoints_that_the_seed_names_answer(
    platform: WebPlatform, client: httpx2.Client, second: dict[str, str]
) -> None:
    assert created(client.post("/projects", json={"name": "seed"}))["name"] == "seed"
    # Other tests may have made more projects than a page holds.
    assert "seed" in [one["name"] for one in client.get("/projects", params={"q": "seed"}).json()["items"]]
    configs = client.get(f"/configs/project/{second['project_id']}").json()["items"]
    assert second["config_id"] in [one["id"] for one in configs]
    assert client.get(f"/runs/{second['other_run_id']}").json()["state"] == RunState.SUCCEEDED
    (agent,) = client.get("/agents").json()["items"]
    assert client.get(f"/agents/{agent['id']}/gpus").json() == {"items": agent["gpus"]}
    refused = client.post("/agents", json={"name": "mine"})
    assert (refused.status_code, "ray start" in refused.json()["detail"]) == (405, True)
    assert asyncio.run(ping(platform)) == {"type": "pong"}


async def ping(platform: WebPlatform) -> Any:
    async with open_socket(platform) as socket:
        await socket.send(json.dumps({"op": "ping"}))
        return json.loads(await socket.recv())


def test_every_get_route_answers_on_real_data(
    client: httpx2.Client, platform: WebPlatform, finished: RunDetail, second: dict[str, str]
) -> None:
    document = client.get(f"{platform.url}/openapi.json").json()
    known = {**find_all(client, finished.id, second["project_id"]), **second}
    refused = {}
    paths = [path for path, operations in document["paths"].items() if "get" in operations]
    for path in paths:
        route = path.removeprefix("/api/v1")
        address = fill(path, known) + ("?" + fill(QUERIES[route], known) if route in QUERIES else "")
        answer = client.get(f"{platform.url}{address}")
        if answer.status_code != 200 or not answer.content:
            refused[address] = (answer.status_code, answer.text[:300])
    print(f"{len(paths)} GET routes")
    assert not refused
    assert len(paths) > 50


def find_all(client: httpx2.Client, run_id: str, project_id: str) -> Known:
    """Return something real for every parameter of a path; what no run makes is made here."""
    of_run = f"/runs/{run_id}"
    checkpoint = next(one for one in listed(client, f"{of_run}/checkpoints") if one["is_best"])
    group = created(client.post(f"/projects/{project_id}/groups", json={"name": "all routes"}))
    model = created(client.post(f"/projects/{project_id}/models", json={"name": "digits"}))
    version = {"run_id": run_id, "checkpoint": checkpoint["name"]}
    assert created(client.post(f"/models/{model['id']}/versions", json=version))["version"] == 1
    dataset_id = scanned(client, project_id)
    board = client.post("/tensorboard", json={"run_ids": [run_id]}).json()["url"]
    evaluation = next(one for one in listed(client, f"{of_run}/evaluations") if one["has_detail"])
    return {
        "run_id": run_id,
        "agent_id": listed(client, "/agents")[0]["id"],
        "dataset_id": dataset_id,
        "sample_id": listed(client, f"/datasets/{dataset_id}/samples")[0]["id"],
        "group_id": group["id"],
        "model_id": model["id"],
        "version": 1,
        "user_id": client.get("/me").json()["id"],
        "key": board.strip("/").removeprefix("tensorboard/"),
        "split": evaluation["split"],
        "epoch": evaluation["epoch"],
        "image_id": listed(client, f"{of_run}/predictions?split=val")[0]["id"],
        "checkpoints/name": checkpoint["name"],
        "file": checkpoint["files"][0]["name"],
        "figures/name": listed(client, f"{of_run}/figures")[0]["name"],
    }


def scanned(client: httpx2.Client, project_id: str) -> str:
    """Return the dataset that the runs trained on, looked through."""
    dataset_id = str(listed(client, f"/projects/{project_id}/datasets")[0]["id"])
    assert client.post(f"/datasets/{dataset_id}/scan").status_code == 202
    wait_until(lambda: client.get(f"/datasets/{dataset_id}").json()["scan"]["state"] == "done", "a scan", 120)
    return dataset_id


def listed(client: httpx2.Client, path: str) -> list[dict[str, Any]]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert items, path
    return list(items)


def fill(text: str, known: Known) -> str:
    """Put real values into a path; what is called a name is one of what the path says before."""

    def value(found: re.Match[str]) -> str:
        before = text[: found.start()].strip("/").rsplit("/", 1)[-1]
        return str(known[f"{before}/name" if found[1] == "name" else found[1]])

    return re.sub(r"\{(\w+)\}", value, text)
