"""The layers around the API, each by what it refuses and what it lets through."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient
from tests.api.conftest import ADMIN_ID, ORIGIN, make_token

from utp.api.app import build_app
from utp.api.security.credentials import LINK_PREFIX, hash_secret, new_secret
from utp.api.security.first_start import check_exposure, first_login_url, is_loopback
from utp.api.security.redaction import RedactingFormatter, redact, redact_logs
from utp.api.services import Services
from utp.errors import ConfigError
from utp.settings import Settings
from utp.store.access import Scope
from utp.store.repositories.people import PeopleRepository

PROJECTS = "/api/v1/projects"
LOGIN = "/api/v1/auth/login"


def cookie_client(app: FastAPI, services: Services) -> TestClient:
    code = new_secret(LINK_PREFIX)
    services.recorder.add_login_link(ADMIN_ID, hash_secret(code, services.settings))
    client = TestClient(app, base_url=ORIGIN, headers={"Origin": ORIGIN})
    answer = client.post(LOGIN, json={"code": code})
    assert answer.status_code == 200, answer.text
    assert client.post(LOGIN, json={"code": code}).status_code == 401, "a code is used once"
    return client


def test_cookie_signs_in_and_is_safe(app: FastAPI, services: Services) -> None:
    code = new_secret(LINK_PREFIX)
    services.recorder.add_login_link(ADMIN_ID, hash_secret(code, services.settings))
    client = TestClient(app, base_url=ORIGIN)
    answer = client.post(LOGIN, json={"code": code}, headers={"Origin": ORIGIN})
    assert answer.json() == {"id": ADMIN_ID, "name": "admin", "role": "admin", "projects": None}
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    assert client.get("/api/v1/me").json()["name"] == "admin"
    assert client.post("/api/v1/auth/logout", headers={"Origin": ORIGIN}).status_code == 204
    assert client.get("/api/v1/me").status_code == 401


def test_cookie_is_secure_where_the_page_came_by_https(app: FastAPI, services: Services) -> None:
    token = make_token(services, ADMIN_ID, Scope.READ)
    client = TestClient(app, base_url=ORIGIN)
    answer = client.post(LOGIN, json={"code": token}, headers={"Origin": "https://localhost:8000"})
    assert "; secure" in answer.headers["set-cookie"].lower()


def test_write_by_cookie_needs_its_origin_and_json(app: FastAPI, services: Services) -> None:
    client = cookie_client(app, services)
    del client.headers["Origin"]
    assert client.post(PROJECTS, json={"name": "a"}).status_code == 403
    assert client.get(PROJECTS).status_code == 200
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        headers = {"Origin": ORIGIN, "Content-Type": kind}
        assert client.post(PROJECTS, content=b'{"name": "a"}', headers=headers).status_code == 415
    assert client.get(PROJECTS).json()["items"] == []
    assert client.post(PROJECTS, json={"name": "a"}, headers={"Origin": ORIGIN}).status_code == 201


def test_sessions_end_with_the_token_that_opened_them(app: FastAPI, services: Services) -> None:
    token = make_token(services, ADMIN_ID, Scope.READ)
    client = TestClient(app, base_url=ORIGIN, headers={"Origin": ORIGIN})
    client.post(LOGIN, json={"code": token})
    assert client.get(PROJECTS).status_code == 200
    assert client.post(PROJECTS, json={"name": "a"}).status_code == 403, "the session has the token's scope"
    token_id = PeopleRepository(services.database).list_tokens(ADMIN_ID)[0].id
    services.recorder.delete_token(ADMIN_ID, token_id)
    assert client.get(PROJECTS).status_code == 401


def test_known_origin_gets_cors_headers_and_a_preflight(client: TestClient) -> None:
    origin = "http://localhost:3000"
    answer = client.get(PROJECTS, headers={"Origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["vary"] == "Origin"
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert client.options(PROJECTS, headers=asked).status_code == 204
    assert "access-control-allow-origin" not in client.get(PROJECTS).headers


def test_answers_carry_the_headers_that_bind_a_browser(client: TestClient, stranger: TestClient) -> None:
    for answer in (client.get(PROJECTS), stranger.get(PROJECTS), stranger.get("/healthz")):
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'self'" in client.get("/tensorboard/abc/").headers["content-security-policy"]


def test_flood_of_wrong_tokens_is_slowed_and_right_ones_pass(client: TestClient, stranger: TestClient) -> None:
    answers = [stranger.get(PROJECTS, headers={"Authorization": f"Bearer utp_{number}"}) for number in range(100)]
    assert {answer.status_code for answer in answers} == {401, 429}
    assert int(answers[-1].headers["retry-after"]) > 0
    assert stranger.post(LOGIN, json={"code": "guess"}).status_code == 429
    assert client.get(PROJECTS).status_code == 200
    (entry,) = client.get("/api/v1/audit", params={"q": "failed_sign_ins"}).json()["items"]
    assert (entry["actor"], entry["object_type"], entry["object_id"]) == ("", "address", "testclient")


def test_user_above_the_rate_is_told_to_wait(services: Services, settings: Settings) -> None:
    slow = settings.model_copy(update={"rate_limit": "5/minute"})
    app = build_app(replace(services, settings=slow))
    headers = {"Authorization": f"Bearer {make_token(services, ADMIN_ID, Scope.READ)}"}
    client = TestClient(app, base_url=ORIGIN, headers=headers)
    assert [client.get(PROJECTS).status_code for _ in range(7)] == [200] * 5 + [429] * 2


def test_rays_cookie_and_headers_that_steer_serve_reach_nobody(app: FastAPI, client: TestClient) -> None:
    seen: dict[str, str] = {}

    async def look(request: Request) -> Response:
        seen.update(request.headers)
        return Response()

    app.add_route("/seen", look)
    headers = {
        "Cookie": "a=1; ray-authentication-token=canary; b=2",
        "X-Request-Timeout-Seconds": "0",
        "X-Request-Disconnect-Disabled": "?1",
        "X-Ray-Authorization": "canary",
        "serve_multiplexed_model_id": "canary",
    }
    assert client.get("/seen", headers=headers).status_code == 200
    assert "canary" not in str(seen)
    assert not {name for name in seen if name.startswith(("x-request-", "serve"))}
    assert seen["cookie"] == "a=1; b=2"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 10_000 + b"]" * 10_000, 400),
        (b'{"name":' * 10_000 + b"1" + b"}" * 10_000, 400),
        (b'{"name": "a", "name": "b"}', 400),
        (b'{"name": NaN}', 400),
        (b'{"name": 1e999}', 400),
        (b'{"max_gpus": ' + b"9" * 5000 + b"}", 400),
        (b'{"name": "\xff\xfe"}', 400),
        (b'{"name": "\\u0000"}', 400),
        (b'{"name": "\\ud800"}', 400),
        ('{"name": "a"}'.encode("utf-16"), 400),
        (b"{", 400),
        (b'{"name": ["a"]}', 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"a"', 422),
        (b'{"name": "' + b"a" * 1_100_000 + b'"}', 413),
    ],
)
def test_body_that_parsers_disagree_about_is_refused(
    stranger: TestClient, client: TestClient, body: bytes, status: int
) -> None:
    headers = {**client.headers, "Content-Type": "application/json"}
    assert stranger.post(PROJECTS, content=body, headers=headers).status_code == status


def test_body_without_a_length_is_cut_off_at_the_limit(stranger: TestClient, client: TestClient) -> None:
    headers = {**client.headers, "Content-Type": "application/json"}
    chunks = (b"a" * 100_000 for _ in range(1000))
    assert stranger.post(PROJECTS, content=chunks, headers=headers).status_code == 413


def test_charset_other_than_utf8_is_refused(client: TestClient) -> None:
    headers = {"Content-Type": "application/json; charset=utf-16"}
    assert client.post(PROJECTS, content='{"name": "a"}'.encode("utf-16"), headers=headers).status_code == 415


def test_nul_in_the_address_is_refused(client: TestClient) -> None:
    assert client.get(f"{PROJECTS}?q=%00").status_code == 400
    assert client.get(f"{PROJECTS}/%00").status_code == 400


def test_logs_hold_no_secret(caplog: pytest.LogCaptureFixture, client: TestClient) -> None:
    canary = client.headers["Authorization"]
    text = f"{canary} cookie utp_session=utps_{'c' * 43} postgresql://u:canary@host/db ray-authentication-token=canary"
    shown = redact(text)
    assert "canary" not in shown
    assert canary[-20:] not in shown
    assert "c" * 20 not in shown
    caplog.set_level(logging.DEBUG)
    client.get(PROJECTS)
    assert canary[-20:] not in caplog.text


def test_redaction_covers_tracebacks_and_is_put_on_once(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("redaction-test")
    handler = logging.StreamHandler()
    log.addHandler(handler)
    for _ in range(2):
        redact_logs(["redaction-test"])
    assert isinstance(handler.formatter, RedactingFormatter)
    try:
        raise ValueError("utp_" + "x" * 43)
    except ValueError:
        log.exception("it failed")
    assert "x" * 20 not in capsys.readouterr().err


def test_first_start_prints_a_link_until_somebody_has_signed_in(services: Services, app: FastAPI) -> None:
    first, second = (first_login_url(services.recorder, services.settings, ORIGIN) for _ in range(2))
    assert first is not None
    assert second is not None
    client = TestClient(app, base_url=ORIGIN, headers={"Origin": ORIGIN})
    for link, status in ((first, 401), (second, 200)):
        assert client.post(LOGIN, json={"code": link.partition("#code=")[2]}).status_code == status
    assert first_login_url(services.recorder, services.settings, ORIGIN) is None


def test_address_that_others_reach_needs_a_secret_and_rays_token(settings: Settings) -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "10.0.0.1", "host")] == [
        *[True] * 3,
        *[False] * 3,
    ]
    check_exposure(settings, "127.0.0.1", is_ray_token_on=False)
    with pytest.raises(ConfigError, match="UTP_SECRET"):
        check_exposure(settings, "0.0.0.0", is_ray_token_on=True)
    secret = settings.model_copy(update={"secret": "s" * 32})
    with pytest.raises(ConfigError, match="RAY_AUTH_MODE"):
        check_exposure(secret, "0.0.0.0", is_ray_token_on=False)
    check_exposure(secret, "0.0.0.0", is_ray_token_on=True)


def test_hash_at_rest_depends_on_the_secret(settings: Settings) -> None:
    keyed = settings.model_copy(update={"secret": "s" * 32})
    assert hash_secret("utp_a", settings) != hash_secret("utp_a", keyed)


def test_every_write_is_in_the_audit_trail(client: TestClient, project_id: str) -> None:
    client.delete(f"{PROJECTS}/{project_id}")
    client.post(PROJECTS, json={"name": ""})
    made = client.post("/api/v1/users", json={"name": "ada"}).json()
    entries = client.get("/api/v1/audit").json()["items"]
    assert [(one["actor"], one["action"], one["object_type"], one["object_id"]) for one in entries] == [
        ("admin", "create_user", "users", made["id"]),
        ("admin", "archive_project", "projects", project_id),
        ("admin", "create_project", "projects", project_id),
    ]
