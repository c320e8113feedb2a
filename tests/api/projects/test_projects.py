"""Projects over HTTP."""

from __future__ import annotations

from starlette.testclient import TestClient

PROJECTS = "/api/v1/projects"


def test_created_project_is_listed_and_read(client: TestClient) -> None:
    created = client.post(PROJECTS, json={"name": "fruit", "description": "apples", "max_gpus": 2})
    assert created.status_code == 201
    project = created.json()
    assert (project["name"], project["max_gpus"], project["num_runs"]) == ("fruit", 2, 0)
    assert [member["name"] for member in project["members"]] == ["admin"]
    assert client.get(PROJECTS).json() == {"items": [project], "next_cursor": None, "total": 1}
    assert client.get(f"{PROJECTS}/{project['id']}").json() == project


def test_unknown_project_is_a_problem_document(client: TestClient) -> None:
    answer = client.get(f"{PROJECTS}/{'a' * 32}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json() == {
        "type": "urn:utp:problem:not-found",
        "title": "Not Found",
        "status": 404,
        "detail": f"project {'a' * 32} does not exist",
    }


def test_wrong_fields_are_named_with_their_values(client: TestClient) -> None:
    answer = client.post(PROJECTS, json={"name": "", "max_gpus": -1, "colour": "red"})
    assert answer.status_code == 422
    assert {one["field"]: one["value"] for one in answer.json()["errors"]} == {
        "name": "",
        "max_gpus": -1,
        "colour": "red",
    }


def test_taken_name_is_a_conflict(client: TestClient, project_id: str) -> None:
    answer = client.post(PROJECTS, json={"name": "fruit"})
    assert (answer.status_code, answer.json()["way_out"]) == (409, "choose another name, or use that project")
    assert project_id


def test_repeated_creation_with_one_key_makes_one_project(client: TestClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    first, second = (client.post(PROJECTS, json={"name": "fruit"}, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    assert client.post(PROJECTS, json={"name": "other"}, headers=headers).status_code == 409


def test_edit_needs_the_etag_of_the_state_that_it_changes(client: TestClient, project_id: str) -> None:
    url = f"{PROJECTS}/{project_id}"
    etag = client.get(url).headers["ETag"]
    assert client.patch(url, json={"description": "a"}).status_code == 428
    changed = client.patch(url, json={"description": "a"}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["description"]) == (200, "a")
    assert client.patch(url, json={"description": "b"}, headers={"If-Match": etag}).status_code == 412
    again = client.patch(url, json={"description": "b"}, headers={"If-Match": changed.headers["ETag"]})
    assert again.json()["description"] == "b"


def test_archived_project_leaves_the_list_and_comes_back(client: TestClient, project_id: str) -> None:
    url = f"{PROJECTS}/{project_id}"
    assert client.delete(url).status_code == 204
    assert client.get(PROJECTS).json()["items"] == []
    assert [one["id"] for one in client.get(PROJECTS, params={"archived": "true"}).json()["items"]] == [project_id]
    etag = client.get(url).headers["ETag"]
    assert client.patch(url, json={"is_archived": False}, headers={"If-Match": etag}).json()["archived_at"] is None


def test_pages_show_each_project_once_in_order(client: TestClient) -> None:
    for number in range(5):
        client.post(PROJECTS, json={"name": f"p{number}"})
    for sort in ("name", "-name", "-created_at", "num_runs"):
        names, cursor = [], None
        while True:
            params = {"limit": 2, "sort": sort} | ({"cursor": cursor} if cursor else {})
            page = client.get(PROJECTS, params=params).json()
            names += [one["name"] for one in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert sorted(names) == [f"p{number}" for number in range(5)], sort
        if sort.endswith("name"):
            assert names == sorted(names, reverse=sort.startswith("-"))


def test_unknown_sort_and_broken_cursor_are_refused_with_the_way_out(client: TestClient) -> None:
    for params in ({"sort": "id; DROP TABLE runs"}, {"cursor": "!!"}, {"cursor": "W10"}, {"limit": "0"}):
        assert client.get(PROJECTS, params=params).status_code == 422, params
