"""What belongs to a project is there for its members only, and viewers change nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient
from tests.api.conftest import ORIGIN, make_token
from tests.support.digits_runs import DigitsRuns

from utp.api.app import build_app
from utp.api.services import Services
from utp.store.access import Role, Scope
from utp.store.recorder.inventory import AgentFacts

READS = [
    "/api/v1/metrics?run_ids={run}",
    "/api/v1/runs/{run}/metrics/names",
    "/api/v1/runs/{run}/system",
    "/api/v1/runs/{run}/checkpoints",
    "/api/v1/runs/{run}/checkpoints/files/files/best.pt",
    "/api/v1/runs/{run}/figures",
    "/api/v1/runs/{run}/figures/roc_micro_val",
    "/api/v1/runs/{run}/figures/roc_micro_val/data",
    "/api/v1/runs/{run}/evaluations",
    "/api/v1/runs/{run}/evaluations/test/2",
    "/api/v1/runs/{run}/predictions",
    "/api/v1/runs/{run}/predictions/images/dmFsLzAvZGlnaXRfMDA1Ni5wbmc",
    "/api/v1/runs/compare?ids={run},{twin}",
    "/api/v1/runs/compare/images?a={run}&b={twin}",
    "/api/v1/projects/{project}/datasets",
    "/api/v1/projects/{project}/models",
    "/api/v1/datasets/{dataset}",
    "/api/v1/datasets/{dataset}/classes",
    "/api/v1/models/{model}",
]
WRITES = [
    ("post", "/api/v1/projects/{project}/datasets", {"root": "digits"}),
    ("post", "/api/v1/datasets/{dataset}/scan", {}),
    ("delete", "/api/v1/datasets/{dataset}", None),
    ("post", "/api/v1/projects/{project}/models", {"name": "x"}),
    ("post", "/api/v1/models/{model}/versions", {"run_id": "{run}", "checkpoint": "x"}),
    ("delete", "/api/v1/models/{model}", None),
    ("post", "/api/v1/agents/n1/drain", {}),
    ("post", "/api/v1/gpus/g/quarantine", {"reason": "x"}),
    ("post", "/api/v1/queue/{run}/move", {"before_run_id": None}),
]


@pytest.fixture
def names(digits: DigitsRuns, digits_services: Services) -> dict[str, str]:
    recorder = digits_services.recorder
    recorder.upsert_agent(AgentFacts(id="n1", hostname="box", address="10.0.0.1"))
    model = recorder.add_model(digits.project, "reader", description="", by="ann")
    dataset = recorder.add_dataset(digits.project, str(digits.mounts / "datasets" / "digits"), "digits")
    ids = {"run": digits.finished, "twin": digits.twin, "project": digits.project}
    return {**ids, "model": model, "dataset": dataset}


@pytest.fixture
def viewer(digits: DigitsRuns, digits_services: Services) -> Iterator[TestClient]:
    yield from sign_in(digits_services, "vic", Role.VIEWER, digits.project)


@pytest.fixture
def outsider(digits_services: Services) -> Iterator[TestClient]:
    yield from sign_in(digits_services, "olga", Role.MEMBER, None)


def sign_in(services: Services, name: str, role: Role, project_id: str | None) -> Iterator[TestClient]:
    user_id = services.recorder.add_user(name, role)
    if project_id is not None:
        services.recorder.set_member(project_id, user_id, is_member=True)
    headers = {"Authorization": f"Bearer {make_token(services, user_id, Scope.ADMIN)}"}
    with TestClient(build_app(services), base_url=ORIGIN, headers=headers) as client:
        yield client


def test_for_outsiders_nothing_of_a_project_is_there(outsider: TestClient, names: dict[str, str]) -> None:
    statuses = {url: outsider.get(url.format(**names)).status_code for url in READS}
    assert statuses == dict.fromkeys(READS, 404)


def test_viewers_see_everything_and_change_nothing(viewer: TestClient, names: dict[str, str]) -> None:
    seen = {url: viewer.get(url.format(**names)).status_code for url in READS if "/images/" not in url}
    assert set(seen.values()) == {200}, seen
    refused = {}
    for method, url, body in WRITES:
        if body is not None:
            body = {key: value.format(**names) if value else value for key, value in body.items()}  # noqa: PLW2901
        refused[url] = viewer.request(method, url.format(**names), json=body).status_code
    assert set(refused.values()) == {403}, refused
