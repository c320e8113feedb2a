"""The page: the files of its static export, for every path that no route of the API answers."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from utp.api.errors import status_problem
from utp.api.problem_handlers import problem_response
from utp.api.security.asgi import Layer, header
from utp.api.security.headers import SCRIPT_HASHES
from utp.api.ui.page_index import PageFile, PageIndex
from utp.settings import Settings

IMMUTABLE_PREFIX = "/_next/static/"
"""The build puts a hash of the content into these names."""
NOT_PAGES = ("/api/", "/tensorboard/")
SHORT_HEADERS = ("etag", "cache-control", "vary")
"""Of a 304 (RFC 9110, section 15.4.5)."""
NOT_BUILT = """<!doctype html><html lang="en"><title>Unified Training Platform</title>
<h1>The page is not built yet</h1>
<p>Build it with <code>npm ci &amp;&amp; npm run build</code> in <code>web_ui</code>, or name a built one in
<code>UTP_UI_DIR</code>; then start the server again. The API is there: <a href="/docs">its documentation</a>.</p>
</html>
"""


def find_ui(settings: Settings) -> Path | None:
    """Return the folder of the built page: the one that was set, the packaged one, or the repository's."""
    package = Path(__file__).parents[2]
    places = [settings.ui_dir] if settings.ui_dir else [package / "ui", package.parents[1] / "web_ui" / "out"]
    return next((place for place in places if (place / "index.html").is_file()), None)


class ExportedUi:
    """Answers GET and HEAD with files of the page; `otherwise` gets what can't be one."""

    def __init__(self, root: Path | None, otherwise: Layer) -> None:
        self._index = PageIndex(root) if root is not None else None
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI says."""
        if scope["type"] != "http" or scope["path"].startswith(NOT_PAGES):
            await self._otherwise(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            problem = status_problem(405, "the page is only read")
            await problem_response(problem, {"Allow": "GET, HEAD"})(scope, receive, send)
            return
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        if self._index is None:
            return HTMLResponse(NOT_BUILT, 200 if scope["path"] == "/" else 404, {"Cache-Control": "no-cache"})
        found = self._index.find(scope["path"])
        shown = found or self._index.not_found
        if shown is None:
            return problem_response(status_problem(404, "there is no such page"))
        scope[SCRIPT_HASHES] = shown.script_hashes
        return _respond(scope, shown, 200 if found else 404)


def _respond(scope: Scope, file: PageFile, status: int) -> Response:
    is_immutable = status == 200 and scope["path"].startswith(IMMUTABLE_PREFIX)
    caching = "public, max-age=31536000, immutable" if is_immutable else "no-cache"
    headers = {"Cache-Control": caching, "Vary": "Accept-Encoding"}
    accepted = {one.partition(";")[0].strip() for one in (header(scope, b"accept-encoding") or "").split(",")}
    path = file.path
    for encoding, encoded in file.encoded.items():
        if encoding in accepted:
            headers["Content-Encoding"], path = encoding, encoded
            break
    response = FileResponse(path, status, headers, file.media_type, stat_result=path.stat())
    if status == 200 and response.headers["etag"] in (header(scope, b"if-none-match") or ""):
        return Response(None, 304, {name: response.headers[name] for name in SHORT_HEADERS})
    return response
