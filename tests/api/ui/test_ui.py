"""The page's files: deep links, caching, compressed ones, nothing outside of the folder, no script but its own."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.api.conftest import ADMIN_ID, ORIGIN, make_token

from utp.api.app import build_app
from utp.api.services import Services
from utp.api.ui.inline_scripts import hash_inline_scripts
from utp.store.access import Scope

SCRIPT = 'self.__next_f.push(["</p>"])'


@pytest.fixture
def page(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    files = {
        "index.html": f"<p>home</p><script>{SCRIPT}</script><script src='/_next/static/a.js'></script>",
        "404.html": "<p>nothing here</p>",
        "login.html": "<p>login</p>",
        "runs/_.html": "<p>a run</p>",
        "runs/_.txt": "payload of a run",
        "projects/_/settings.html": "<p>settings</p>",
        "_next/static/a.js": "alert(1)",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / "_next/static/a.js.gz").write_bytes(gzip.compress(b"alert(1)"))
    (tmp_path / "secret.html").write_text("secret")
    return root


@pytest.fixture
def ui(services: Services, page: Path) -> Iterator[TestClient]:
    token = make_token(services, ADMIN_ID, Scope.ADMIN)
    settings = services.settings.model_copy(update={"ui_dir": page})
    app = build_app(replace(services, settings=settings))
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
    with TestClient(app, base_url=ORIGIN, headers=headers) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "home"),
        ("/login", "login"),
        ("/runs/0123", "a run"),
        ("/runs/0123.txt", "payload of a run"),
        ("/projects/0123/settings", "settings"),
        ("/runs/_", "a run"),
    ],
)
def test_deep_links_get_the_shell_of_their_route(ui: TestClient, path: str, shown: str) -> None:
    answer = ui.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert shown in answer.text


@pytest.mark.parametrize("path", ["/nothing", "/runs/a/b", "/../secret", "/..%2fsecret.html", "/%2e%2e/secret.html"])
def test_what_is_no_page_is_the_page_for_that(ui: TestClient, path: str) -> None:
    answer = ui.get(path)
    assert (answer.status_code, answer.text) == (404, "<p>nothing here</p>")


def test_unknown_route_of_the_api_is_a_problem_and_no_page(ui: TestClient) -> None:
    answer = ui.get("/api/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert ui.put("/api/v1/projects", json={}).status_code == 405


def test_hashed_files_are_kept_for_ever_and_pages_are_asked_for_again(ui: TestClient) -> None:
    script = ui.get("/_next/static/a.js", headers={"Accept-Encoding": "br, gzip"})
    assert (script.text, script.headers["content-encoding"]) == ("alert(1)", "gzip")
    assert "immutable" in script.headers["cache-control"]
    first = ui.get("/")
    again = ui.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_only_the_scripts_of_a_page_itself_may_run(ui: TestClient) -> None:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in ui.get("/").headers["content-security-policy"]
    assert "script-src 'self';" in ui.get("/login").headers["content-security-policy"]


def test_page_is_only_read(ui: TestClient) -> None:
    answer = ui.post("/runs/0123", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_without_a_build_the_server_says_how_to_make_one(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utp.api.app.find_ui", lambda settings: None)
    app = build_app(client.app.state.services)  # type: ignore[attr-defined]
    with TestClient(app, base_url=ORIGIN, headers=dict(client.headers)) as bare:
        assert "npm run build" in bare.get("/").text


def test_hashes_are_those_of_scripts_between_tags() -> None:
    assert len(hash_inline_scripts("<script>a</script><script>a</script><script src=x></script><p>a</p>")) == 1
