"""`/tensorboard/KEY/...`: passes requests on to the TensorBoard of that key, if who asks may see its runs.

The key is the only thing that decides where a request goes. What TensorBoard answers is not trusted with our headers:
only those of a list pass, each way.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import anyio
import httpx2
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from utp.api.dependencies import PrincipalDep, ServicesDep
from utp.api.errors import TensorBoardFailed, TensorBoardsBusy
from utp.api.tensorboard.board import PREFIX, Board
from utp.api.tensorboard.service import TensorBoardService

START_TIMEOUT_S = 60.0
POLL_S = 0.05
TIMEOUT = httpx2.Timeout(60.0, connect=5.0)
"""Seconds without a byte."""
MAX_REQUESTS = 32
"""Of one TensorBoard at a time."""

PASSED_ON = ("accept", "accept-encoding", "content-type", "if-none-match", "x-tensorboard-feature-flags")
"""Headers of a request; no Cookie, no Authorization, no Host."""
PASSED_BACK = ("content-type", "content-encoding", "content-length", "cache-control", "expires", "etag")
"""Headers of an answer; no Set-Cookie, no Location."""
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",  # all tabs that our runs fill do without 'unsafe-eval', which TensorBoard itself allows
        "style-src 'self' 'unsafe-inline'",  # its elements are styled in place
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "frame-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)

router = APIRouter(include_in_schema=False)
_log = logging.getLogger(__name__)


@router.get(PREFIX + "/{key}")
def add_slash(key: str) -> Response:
    """Send to the address whose relative links are right."""
    return RedirectResponse(f"./{key}/", 307)


@router.api_route(PREFIX + "/{key}/{path:path}", methods=["GET", "HEAD", "POST"])
async def pass_on(services: ServicesDep, principal: PrincipalDep, key: str, path: str, request: Request) -> Response:
    """Answer as the TensorBoard of this key does."""
    board = await run_sync(TensorBoardService(services, principal).open, key)
    await _until_ready(board)
    if board.num_requests >= MAX_REQUESTS:
        raise TensorBoardsBusy(board.num_requests)
    query = request.scope["query_string"]
    url = httpx2.URL(scheme="http", host="localhost", path=f"{PREFIX}/{key}/{path}", query=query or None)
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    # A byte range or an encoding that we did not ask for would be passed on under the wrong headers.
    headers.setdefault("accept-encoding", "identity")
    asked = httpx2.Request(
        request.method, url, headers=headers, content=await request.body(), extensions={"timeout": TIMEOUT.as_dict()}
    )
    return await _forward(board, asked)


async def _until_ready(board: Board) -> None:
    """Wait while it starts. Raises `TensorBoardFailed`."""
    with anyio.move_on_after(START_TIMEOUT_S):
        while not board.is_ready():
            if not board.is_alive():
                _log.error("TensorBoard ended before it answered: %s", board.last_words())
                raise TensorBoardFailed
            await anyio.sleep(POLL_S)
        return
    raise TensorBoardFailed


async def _forward(board: Board, asked: httpx2.Request) -> Response:
    transport = httpx2.AsyncHTTPTransport(uds=str(board.socket), verify=False)  # its server closes after each answer
    board.num_requests += 1
    try:
        answer = await transport.handle_async_request(asked)
    except BaseException as error:
        board.num_requests -= 1
        await transport.aclose()
        if isinstance(error, httpx2.TransportError):
            _log.warning("TensorBoard did not answer: %s", error)
            raise TensorBoardFailed from error
        raise
    return _Forwarded(board, transport, answer)


class _Forwarded(StreamingResponse):
    """The answer of a board; whatever becomes of the client, the board is let go.

    Its body could not see to that: where the client has left before the first byte, nobody begins to read it.
    """

    def __init__(self, board: Board, transport: httpx2.AsyncHTTPTransport, answer: httpx2.Response) -> None:
        super().__init__(answer.aiter_raw(), answer.status_code, _kept(answer.headers.items()))
        self._board = board
        self._transport = transport
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, as ASGI says."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._board.num_requests -= 1
            with anyio.CancelScope(shield=True):
                await self._answer.aclose()
                await self._transport.aclose()


def _kept(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    kept = {name: value for name, value in headers if name.lower() in PASSED_BACK}
    return kept | {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
