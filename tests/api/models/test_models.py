"""A checkpoint becomes a version of a model, is promoted, and keeps where it comes from."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.support.digits_runs import DigitsRuns

from utp.api.services import Services


@pytest.fixture
def model_id(digits_client: TestClient, digits: DigitsRuns) -> str:
    made = digits_client.post(f"/api/v1/projects/{digits.project}/models", json={"name": "digit reader"})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


@pytest.fixture
def best(digits_client: TestClient, digits: DigitsRuns) -> dict[str, Any]:
    """What registers the best checkpoint of the finished run."""
    items = digits_client.get(f"/api/v1/runs/{digits.finished}/checkpoints").json()["items"]
    return {"run_id": digits.finished, "checkpoint": next(one["name"] for one in items if one["is_best"])}


def promote(client: TestClient, model_id: str, version: int, stage: str) -> Any:
    url = f"/api/v1/models/{model_id}/versions/{version}"
    etag = client.get(url).headers["ETag"]
    return client.patch(url, json={"stage": stage}, headers={"If-Match": etag})


def test_version_keeps_its_lineage(digits_client: TestClient, model_id: str, best: dict[str, Any]) -> None:
    made = digits_client.post(f"/api/v1/models/{model_id}/versions", json={**best, "note": "first"})
    assert made.status_code == 201, made.text
    version = made.json()
    assert (version["version"], version["stage"], version["note"]) == (1, "none", "first")
    assert version["dataset_fingerprint"]
    assert {"val_acc@1", "test_acc@1"} <= version["metrics"].keys()
    assert [one["by"] for one in version["history"]] == ["admin"]


def test_model_has_one_version_in_production(digits_client: TestClient, model_id: str, best: dict[str, Any]) -> None:
    for _ in range(2):
        digits_client.post(f"/api/v1/models/{model_id}/versions", json=best)
    assert promote(digits_client, model_id, 1, "production").json()["stage"] == "production"
    assert promote(digits_client, model_id, 2, "production").json()["stage"] == "production"
    model = digits_client.get(f"/api/v1/models/{model_id}").json()
    assert (model["production_version"], model["latest_version"]) == (2, 2)
    first = model["versions"][1]
    assert [one["stage"] for one in first["history"]] == ["none", "production", "archived"]


def test_what_is_in_production_is_not_removed(digits_client: TestClient, model_id: str, best: dict[str, Any]) -> None:
    digits_client.post(f"/api/v1/models/{model_id}/versions", json=best)
    promote(digits_client, model_id, 1, "production")
    assert digits_client.delete(f"/api/v1/models/{model_id}").status_code == 409
    assert digits_client.delete(f"/api/v1/models/{model_id}/versions/1").status_code == 409
    promote(digits_client, model_id, 1, "archived")
    assert digits_client.delete(f"/api/v1/models/{model_id}/versions/1").status_code == 204
    assert digits_client.delete(f"/api/v1/models/{model_id}").status_code == 204
    assert digits_client.get(f"/api/v1/models/{model_id}").status_code == 404


def test_version_outlives_its_run(
    digits_client: TestClient, digits_services: Services, model_id: str, best: dict[str, Any]
) -> None:
    digits_client.post(f"/api/v1/models/{model_id}/versions", json=best)
    digits_services.database.write(
        lambda tx: tx.connection.exec_driver_sql(f"delete from runs where id = '{best['run_id']}'").close()
    )
    (version,) = digits_client.get(f"/api/v1/models/{model_id}").json()["versions"]
    assert version["run_id"] is None
    assert version["run_name"].startswith("resnet-micro")


def test_edits_need_the_state_that_they_are_meant_for(
    digits_client: TestClient, model_id: str, best: dict[str, Any]
) -> None:
    url = f"/api/v1/models/{model_id}"
    etag = digits_client.get(url).headers["ETag"]
    assert digits_client.patch(url, json={"description": "x"}).status_code == 428
    assert digits_client.patch(url, json={"description": "x"}, headers={"If-Match": etag}).json()["description"] == "x"
    assert digits_client.patch(url, json={"description": "y"}, headers={"If-Match": etag}).status_code == 412
    digits_client.post(f"{url}/versions", json=best)
    assert digits_client.patch(f"{url}/versions/1", json={"stage": "production"}).status_code == 428


def test_what_is_not_there_or_taken_is_refused(
    digits_client: TestClient, digits: DigitsRuns, model_id: str, best: dict[str, Any]
) -> None:
    post = digits_client.post
    assert post(f"/api/v1/projects/{digits.project}/models", json={"name": "digit reader"}).status_code == 409
    versions = f"/api/v1/models/{model_id}/versions"
    assert post(versions, json={**best, "checkpoint": "none"}).status_code == 404
    assert post(versions, json={**best, "run_id": "e" * 32}).status_code == 404
    assert post(versions, json={**best, "checkpoint": "../x"}).status_code == 422
    assert digits_client.get(f"{versions}/1").status_code == 404
    assert digits_client.get(f"/api/v1/models/{'e' * 32}").status_code == 404


def test_model_of_an_unseen_project_does_not_exist(
    digits_client: TestClient, digits: DigitsRuns, model_id: str
) -> None:
    other = digits_client.post("/api/v1/projects", json={"name": "other"}).json()["id"]
    found = digits_client.get(f"/api/v1/projects/{other}/models").json()
    assert found["items"] == []


def test_creation_that_is_sent_again_makes_one_version(
    digits_client: TestClient, model_id: str, best: dict[str, Any]
) -> None:
    for _ in range(2):
        made = digits_client.post(f"/api/v1/models/{model_id}/versions", json=best, headers={"Idempotency-Key": "once"})
        assert made.json()["version"] == 1
