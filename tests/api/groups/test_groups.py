"""Experiment groups over HTTP."""

from __future__ import annotations

from starlette.testclient import TestClient


def test_group_is_made_changed_and_dissolved(client: TestClient, project_id: str) -> None:
    url = f"/api/v1/projects/{project_id}/groups"
    group = client.post(url, json={"name": "lr", "description": "which lr"}).json()
    assert client.get(url).json()["items"] == [group]
    assert client.post(url, json={"name": "lr"}).status_code == 409
    mine = f"/api/v1/groups/{group['id']}"
    etag = client.get(mine).headers["ETag"]
    assert client.patch(mine, json={"name": "rates"}, headers={"If-Match": etag}).json()["name"] == "rates"
    assert client.patch(mine, json={"name": "x"}, headers={"If-Match": etag}).status_code == 412
    assert client.delete(mine).status_code == 204
    assert client.get(mine).status_code == 404


def test_group_of_an_unknown_project_is_404(client: TestClient) -> None:
    url = f"/api/v1/projects/{'a' * 32}/groups"
    assert client.get(url).status_code == 404
    assert client.post(url, json={"name": "a"}).status_code == 404


def test_things_of_an_unknown_project_are_404(client: TestClient) -> None:
    for things in ("models", "runs", "groups", "datasets"):
        assert client.get(f"/api/v1/projects/{'a' * 32}/{things}").status_code == 404, things
    assert client.post(f"/api/v1/projects/{'a' * 32}/models", json={"name": "a"}).status_code == 404
