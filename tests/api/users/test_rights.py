"""Who may see and do what: roles, scopes, members."""

from __future__ import annotations

from starlette.testclient import TestClient
from tests.api.conftest import ADMIN_ID, SignIn

from utp.store.access import Role, Scope

PROJECTS = "/api/v1/projects"
USERS = "/api/v1/users"


def test_member_sees_their_projects_only_and_changes_them(client: TestClient, project_id: str, sign_in: SignIn) -> None:
    other = client.post(PROJECTS, json={"name": "other"}).json()["id"]
    member = sign_in("ada", Role.MEMBER, projects=[project_id])
    assert [one["id"] for one in member.get(PROJECTS).json()["items"]] == [project_id]
    assert member.get(f"{PROJECTS}/{other}").status_code == 404
    assert member.delete(f"{PROJECTS}/{other}").status_code == 404
    assert member.post(f"{PROJECTS}/{project_id}/groups", json={"name": "a"}).status_code == 201
    assert member.get("/api/v1/me").json()["projects"] == [project_id]


def test_viewer_reads_and_changes_nothing(client: TestClient, project_id: str, sign_in: SignIn) -> None:
    viewer = sign_in("vic", Role.VIEWER, projects=[project_id])
    assert viewer.get(f"{PROJECTS}/{project_id}").status_code == 200
    answer = viewer.post(f"{PROJECTS}/{project_id}/groups", json={"name": "a"})
    assert (answer.status_code, answer.json()["way_out"]) == (403, "your role is viewer; ask an admin")
    assert viewer.post(PROJECTS, json={"name": "mine"}).status_code == 403
    assert viewer.put(f"{PROJECTS}/{project_id}/members/{ADMIN_ID}").status_code == 403


def test_token_goes_no_further_than_its_scope(sign_in: SignIn) -> None:
    reader = sign_in("ada", Role.ADMIN, scope=Scope.READ)
    assert reader.get(PROJECTS).status_code == 200
    answer = reader.post(PROJECTS, json={"name": "a"})
    assert (answer.status_code, answer.json()["way_out"]) == (
        403,
        "your token's scope is read; create one with a wider scope",
    )
    assert reader.post("/api/v1/tokens", json={"name": "wide", "scope": "write"}).status_code == 403
    assert reader.get("/api/v1/audit").status_code == 403


def test_only_admins_have_users_and_the_audit_trail(sign_in: SignIn) -> None:
    member = sign_in("ada", Role.MEMBER)
    assert member.post(USERS, json={"name": "eve", "role": "admin"}).status_code == 403
    assert member.get(f"{USERS}/{ADMIN_ID}").status_code == 403
    assert member.post(f"{USERS}/{ADMIN_ID}/login-links").status_code == 403
    assert member.get("/api/v1/audit").status_code == 403


def test_user_is_added_let_in_and_shut_out(client: TestClient, stranger: TestClient) -> None:
    user = client.post(USERS, json={"name": "ada", "role": "member"}).json()
    assert client.post(USERS, json={"name": "ada"}).status_code == 409
    link = client.post(f"{USERS}/{user['id']}/login-links").json()["url"]
    assert link.startswith("http://localhost:8000/login#code=utpl_")
    stranger.headers["Origin"] = "http://localhost:8000"
    assert stranger.post("/api/v1/auth/login", json={"code": link.partition("=")[2]}).json()["name"] == "ada"
    etag = client.get(f"{USERS}/{user['id']}").headers["ETag"]
    shut = client.patch(f"{USERS}/{user['id']}", json={"is_disabled": True}, headers={"If-Match": etag})
    assert shut.json()["is_disabled"]
    assert stranger.get("/api/v1/me").status_code == 401


def test_last_admin_stays(client: TestClient) -> None:
    etag = client.get(f"{USERS}/{ADMIN_ID}").headers["ETag"]
    for change in ({"role": "viewer"}, {"is_disabled": True}):
        answer = client.patch(f"{USERS}/{ADMIN_ID}", json=change, headers={"If-Match": etag})
        assert (answer.status_code, answer.json()["way_out"]) == (409, "make somebody else an admin first")


def test_token_is_shown_once_and_ends_when_deleted(client: TestClient, stranger: TestClient) -> None:
    made = client.post("/api/v1/tokens", json={"name": "ci", "scope": "read", "expires_in_days": 1}).json()
    assert made["token"].startswith("utp_")
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert stranger.get(PROJECTS, headers=headers).status_code == 200
    listed = client.get("/api/v1/tokens").json()["items"]
    assert made["token"] not in str(listed)
    assert next(one for one in listed if one["id"] == made["id"])["last_used_at"] is not None
    assert client.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    assert stranger.get(PROJECTS, headers=headers).status_code == 401
    assert client.delete(f"/api/v1/tokens/{made['id']}").status_code == 404


def test_members_come_and_go(client: TestClient, project_id: str, sign_in: SignIn) -> None:
    member = sign_in("ada", Role.MEMBER)
    user_id = member.get("/api/v1/me").json()["id"]
    url = f"{PROJECTS}/{project_id}/members/{user_id}"
    assert member.get(f"{PROJECTS}/{project_id}").status_code == 404
    assert [client.put(url).status_code for _ in range(2)] == [204, 204]
    assert member.get(f"{PROJECTS}/{project_id}").status_code == 200
    assert client.delete(url).status_code == 204
    assert member.get(f"{PROJECTS}/{project_id}").status_code == 404
    assert client.put(f"{PROJECTS}/{project_id}/members/{'b' * 32}").status_code == 404


def test_token_that_only_reads_neither_ends_tokens_nor_makes_one_that_outlives_it(
    client: TestClient, stranger: TestClient, sign_in: SignIn
) -> None:
    made = client.post("/api/v1/tokens", json={"name": "ci", "scope": "read"}).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert stranger.get("/api/v1/tokens", headers=headers).status_code == 200
    answers = [
        stranger.post("/api/v1/tokens", json={"name": "longer", "scope": "read"}, headers=headers),
        stranger.delete(f"/api/v1/tokens/{made['id']}", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json()["way_out"] == "your token's scope is read; sign in, or use one with a wider scope"
    viewer = sign_in("vic", Role.VIEWER)
    assert viewer.post("/api/v1/tokens", json={"name": "mine", "scope": "read"}).status_code == 201
