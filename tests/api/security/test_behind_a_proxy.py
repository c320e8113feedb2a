"""The set-up of docs/access.md: a proxy that ends TLS, under another name, before the server on loopback."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest
from tests.support.api_server import serving
from tests.support.tls_proxy import Proxy, tls_proxy
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from utp.api.app import build_app
from utp.api.security.first_start import first_login_url
from utp.api.services import Services
from utp.store.recorder import Recorder
from utp.store.tables import User

NAME = "utp.example.org"


@dataclass(frozen=True)
class Browser:
    """What a browser does that resolves the name to the proxy, and trusts its certificate."""

    proxy: Proxy
    http: httpx2.Client

    @property
    def origin(self) -> str:
        return f"https://{NAME}:{self.proxy.port}"

    def socket(self, origin: str) -> object:
        trusted = ssl.create_default_context(cafile=str(self.proxy.certificate))
        raw = socket.create_connection(("127.0.0.1", self.proxy.port))
        cookie = "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())
        return connect(
            f"wss://{NAME}:{self.proxy.port}/api/v1/ws",
            sock=raw,
            ssl=trusted,
            server_hostname=NAME,
            origin=origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie},
        )


@pytest.fixture
def browser(services: Services, tmp_path: Path) -> Iterator[Browser]:
    page = tmp_path / "out"
    page.mkdir()
    (page / "index.html").write_text("<p>home</p>")
    (page / "login.html").write_text("<p>login</p>")
    settings = services.settings.model_copy(update={"allowed_hosts": (NAME, "localhost"), "ui_dir": page})
    app = build_app(replace(services, settings=settings))
    with serving(app) as upstream, tls_proxy(NAME, upstream, tmp_path) as proxy:
        trusted = ssl.create_default_context(cafile=str(proxy.certificate))
        transport = ToProxy(verify=trusted)
        with httpx2.Client(base_url=f"https://{NAME}:{proxy.port}", transport=transport) as http:
            yield Browser(proxy, http)


class ToProxy(httpx2.HTTPTransport):
    """Finds every name on loopback, as a line of /etc/hosts does."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        extensions = {**request.extensions, "sni_hostname": request.url.host}
        url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(
            httpx2.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)
        )


def login_code(services: Services) -> str:
    services.database.write(lambda tx: tx.connection.execute(User.__table__.delete()).close())  # type: ignore[attr-defined]
    link = first_login_url(Recorder(services.database), services.settings, "https://x")
    assert link is not None
    return link.partition("#code=")[2]


def test_login_page_and_socket_work_through_the_proxy(browser: Browser, services: Services) -> None:
    page = browser.http.get("/", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/")
    assert browser.http.get("/login").text == "<p>login</p>"
    body = {"code": login_code(services)}
    signed_in = browser.http.post("/api/v1/auth/login", json=body, headers={"Origin": browser.origin})
    assert signed_in.status_code == 200, signed_in.text
    assert "secure" in signed_in.headers["set-cookie"].lower()
    assert browser.http.get("/", headers={"Accept": "text/html"}).text == "<p>home</p>"
    made = browser.http.post("/api/v1/projects", json={"name": "far"}, headers={"Origin": browser.origin})
    assert made.status_code == 201, made.text
    with browser.socket(browser.origin) as live:  # type: ignore[attr-defined]
        live.send(json.dumps({"op": "ping"}))
        assert json.loads(live.recv(timeout=10)) == {"type": "pong"}


def test_other_names_and_origins_are_refused_through_the_proxy_too(browser: Browser, services: Services) -> None:
    body = {"code": login_code(services)}
    for origin in (f"http://{NAME}", "https://evil.example"):
        refused = browser.http.post("/api/v1/auth/login", json=body, headers={"Origin": origin})
        assert refused.status_code == 403
    assert browser.http.get("/healthz", headers={"Host": "evil.example"}).status_code == 400
    browser.http.post("/api/v1/auth/login", json=body, headers={"Origin": browser.origin}).raise_for_status()
    with pytest.raises(InvalidStatus) as found:
        browser.socket("https://evil.example")
    assert found.value.response.status_code == 403
