"""A member of no project reaches nothing of any, by whatever route; a viewer changes nothing."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.api.conftest import SignIn

from utp.store.access import Role

OWN = {"/api/v1/auth/logout", "/api/v1/tokens", "/api/v1/configs/validate", "/api/v1/auth/login"}
"""Writes that concern nobody else."""

OF_PROJECTS = ("{project_id}", "{run_id}", "{config_id}", "{group_id}", "{dataset_id}", "{model_id}")


def make_one_of_each(client: TestClient, project_id: str) -> dict[str, str]:
    config = {"root": "fruit", "model_flavour": "builtin/vit-tiny"}
    made = {
        "group_id": (f"/projects/{project_id}/groups", {"name": "a"}),
        "config_id": ("/configs", {"project_id": project_id, "name": "a", "config": config}),
        "run_id": ("/runs", {"project_id": project_id, "config": config}),
        "user_id": ("/users", {"name": "eve"}),
        "token_id": ("/tokens", {"name": "a"}),
    }
    ids = {name: client.post(f"/api/v1{path}", json=asked).json()["id"] for name, (path, asked) in made.items()}
    return {**ids, "project_id": project_id}


def answers(client: TestClient, app: FastAPI, ids: dict[str, str]) -> dict[tuple[str, str], int]:
    found = {}
    for path, operations in app.openapi()["paths"].items():
        filled = path
        for name in ("project_id", "run_id", "config_id", "group_id", "user_id", "token_id"):
            filled = filled.replace(f"{{{name}}}", ids[name])
        for method in operations:
            if "{" not in filled:
                body = {"json": {}} if method in ("post", "put", "patch") else {}
                found[method.upper(), path] = client.request(method.upper(), filled, **body).status_code
    return found


def test_outsider_gets_nothing_of_a_project(app: FastAPI, client: TestClient, project_id: str, sign_in: SignIn) -> None:
    ids = make_one_of_each(client, project_id)
    found = answers(sign_in("ada", Role.MEMBER), app, ids)
    reached = {at: status for at, status in found.items() if any(part in at[1] for part in OF_PROJECTS)}
    assert len(reached) > 20
    assert {at: status for at, status in reached.items() if status not in (403, 404, 422)} == {}
    assert {status for (method, _), status in reached.items() if method in ("GET", "DELETE")} <= {403, 404}


def test_viewer_changes_nothing(app: FastAPI, client: TestClient, project_id: str, sign_in: SignIn) -> None:
    ids = make_one_of_each(client, project_id)
    viewer = sign_in("vic", Role.VIEWER, projects=[project_id])
    found = answers(viewer, app, ids)
    writes = {at: status for at, status in found.items() if at[0] != "GET" and at[1] not in OWN}
    assert {at: status for at, status in writes.items() if status < 400} == {}
    reads = {at: status for at, status in found.items() if at[0] == "GET" and "{project_id}" in at[1]}
    assert set(reads.values()) == {200}
