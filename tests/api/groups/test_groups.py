"""Experiment groups over HTTP."""

from __future__ import annotations

from starlette.testclient import TestClient

from utp.api.paging import make_cursor


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


def test_page_begins_behind_the_last_one_also_where_its_last_row_is_gone_and_others_came(
    client: TestClient, project_id: str
) -> None:
    url = f"/api/v1/projects/{project_id}/groups"
    for sort in ("name", "-name"):
        ids = {name: client.post(url, json={"name": name}).json()["id"] for name in "abdf"}
        first = client.get(url, params={"limit": 2, "sort": sort}).json()
        gone = first["items"][-1]["name"]
        client.delete(f"/api/v1/groups/{ids.pop(gone)}")
        ids |= {name: client.post(url, json={"name": name}).json()["id"] for name in "ce"}
        rest = client.get(url, params={"sort": sort, "cursor": first["next_cursor"]}).json()
        later = [name for name in sorted("abcdef", reverse=sort == "-name") if (name > gone) == (sort == "name")]
        assert [one["name"] for one in rest["items"]] == [name for name in later if name != gone], sort
        for group_id in ids.values():
            client.delete(f"/api/v1/groups/{group_id}")


def test_cursor_of_another_order_is_refused_and_one_of_the_longest_name_is_taken(
    client: TestClient, project_id: str
) -> None:
    url = f"/api/v1/projects/{project_id}/groups"
    for number in range(2):
        assert client.post(url, json={"name": f"{number}" + "\U0001f600" * 199}).status_code == 201
    first = client.get(url, params={"limit": 1}).json()
    assert client.get(url, params={"cursor": first["next_cursor"]}).json()["items"][0]["name"][0] == "1"
    for sort, cursor in (("created_at", first["next_cursor"]), ("name", make_cursor(1, 2)), ("name", make_cursor("a"))):
        assert client.get(url, params={"sort": sort, "cursor": cursor}).status_code == 422, sort
