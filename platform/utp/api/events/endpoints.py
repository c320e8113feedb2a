"""`/api/v1/ws`: one socket a page, with many subscriptions."""

from __future__ import annotations

from functools import partial

from fastapi import WebSocket

from utp.api.dependencies import PrincipalDep
from utp.api.events.connection import Connection
from utp.api.events.live import Live
from utp.api.routes import api_router
from utp.api.security.authentication import CREDENTIAL, authenticate
from utp.api.security.permissions import Principal

SUBPROTOCOL = "utp.v1"

router = api_router("events")


@router.websocket("/ws")
async def follow(socket: WebSocket, principal: PrincipalDep) -> None:
    """Serve `WsClientMessage` and `WsServerMessage`; who may connect is decided before."""
    live: Live = socket.app.state.live
    offered = socket.scope.get("subprotocols", [])
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    connection = Connection(socket, live, principal, partial(_still, socket))
    with live.connected(connection.say_goodbye):
        await connection.run()


def _still(socket: WebSocket) -> Principal | None:
    """Return who signs in with what the socket came with, as of now. Raises `StoreError`."""
    return authenticate(socket.app.state.services, socket.scope[CREDENTIAL])
