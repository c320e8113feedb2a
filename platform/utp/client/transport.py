"""`Transport`: requests to the API, tried again where that is safe, refused with the API's own words."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
from pydantic import BaseModel, TypeAdapter, ValidationError

from utp.api.errors import MEDIA_TYPE, Problem, status_problem
from utp.api.schemas import Page
from utp.client.errors import ApiError, ServerUnreachable
from utp.errors import ConfigError
from utp.store.ids import new_id

PREFIX = "/api/v1"
TIMEOUT_S = 60.0
PATIENCE_S = 60.0
"""How long one call is tried again."""
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
MAX_PAGE = 500
READS = frozenset({"GET", "HEAD"})

_TOKEN = re.compile("[!-~]+")

Model = TypeVar("Model", bound=BaseModel)
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class Transport:
    """Speaks HTTP with one server as one user.

    Args:
        url: `http://host:port`.
        token: `utp_...`.
        patience_s: as `PATIENCE_S`.
        sleep: waits so many seconds.

    Raises:
        ConfigError: address or token can't be one.
    """

    def __init__(
        self, url: str, token: str, *, patience_s: float = PATIENCE_S, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.url = _checked(url).rstrip("/")
        if not _TOKEN.fullmatch(token):
            raise ConfigError(("UTP_TOKEN: holds blanks, or letters that no token has; copy it once more",))
        self.token = token
        self._patience_s = patience_s
        self.sleep = sleep
        headers = {"Authorization": f"Bearer {token}"}
        # Redirects are not followed: the token is for this server alone.
        self._http = httpx2.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_S, follow_redirects=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, model: type[Model], path: str, **query: Any) -> Model:
        """Read one thing. Raises `ApiError`, `ServerUnreachable`."""
        return self._parse(model, self.request("GET", path, query=query))

    def pages(self, model: type[Page[Model]], path: str, **query: Any) -> Iterator[Model]:
        """Yield the items of a list, which is read page by page. Raises `ApiError`, `ServerUnreachable`."""
        while True:
            page = self.get(model, path, **{"limit": MAX_PAGE, **query})
            yield from page.items
            if page.next_cursor is None:
                return
            query["cursor"] = page.next_cursor

    def post(self, model: type[Model], path: str, body: Mapping[str, Any] | None = None) -> Model:
        """Do or create something; with a key of its own, so that it is done once however often it is sent."""
        return self._parse(model, self.request("POST", path, body=body, headers={"Idempotency-Key": new_id()}))

    def edit(self, model: type[Model], path: str, body: Mapping[str, Any]) -> Model:
        """Change one thing as it is now. Raises `ApiError`, with status 412 where somebody else was faster."""
        etag = self.request("GET", path).headers.get("etag", "*")
        return self._parse(model, self.request("PATCH", path, body=body, headers={"If-Match": etag}))

    def delete(self, path: str) -> None:
        """Remove or archive one thing."""
        self.request("DELETE", path)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Return an answer that is no problem. Raises `ApiError`, `ServerUnreachable`."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        is_safe = method in READS or "Idempotency-Key" in (headers or {})

        def send() -> httpx2.Response:
            return self._http.request(method, PREFIX + path, params=params, json=body, headers=dict(headers or {}))

        return self._patiently(send, is_safe=is_safe)

    @contextmanager
    def stream(self, address: str, first_byte: int = 0) -> Iterator[httpx2.Response]:
        """Open a file by the address that the API gave for it, from a byte on. Raises as `request`."""
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={first_byte}-"} if first_byte else {})
        asked = self._http.build_request("GET", address, headers=headers)

        def send() -> httpx2.Response:
            answer = self._http.send(asked, stream=True)
            if answer.status_code >= 300:
                answer.read()
            return answer

        answer = self._patiently(send, is_safe=True)
        try:
            yield answer
        finally:
            answer.close()

    def _patiently(self, send: Callable[[], httpx2.Response], *, is_safe: bool) -> httpx2.Response:
        until = time.monotonic() + self._patience_s
        for attempt in range(1_000_000):  # the clock ends it
            pause_s = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
            try:
                answer = send()
            except httpx2.HTTPError as error:
                is_unsent = isinstance(error, _NEVER_SENT)
                if not (is_safe or is_unsent) or time.monotonic() + pause_s > until:
                    raise ServerUnreachable(self.url, str(error) or type(error).__name__) from error
            else:
                if answer.status_code < 300:
                    return answer
                pause_s = max(pause_s, _retry_after_s(answer))
                is_refused_early = answer.status_code == 429 or (answer.status_code == 503 and is_safe)
                if not is_refused_early or time.monotonic() + pause_s > until:
                    raise ApiError(problem_of(answer))
            self.sleep(pause_s)
        raise AssertionError("the loop has no end")

    def _parse(self, model: type[Model], answer: httpx2.Response) -> Model:
        try:
            return TypeAdapter(model).validate_json(answer.content)
        except ValidationError as error:
            raise ServerUnreachable(self.url, f"its answer is no {model.__name__}: it has another version") from error


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigError((f"server: {url!r} is no address of one; write http://HOST:PORT or https://HOST",))
    return url


def problem_of(answer: httpx2.Response) -> Problem:
    """Return the problem document of an answer; one is made where something else than the API answered."""
    if answer.headers.get("content-type", "").partition(";")[0] == MEDIA_TYPE:
        try:
            return Problem.model_validate_json(answer.content)
        except ValidationError:
            pass
    return status_problem(answer.status_code, f"the server answered {answer.status_code}")


def _retry_after_s(answer: httpx2.Response) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 0.0
