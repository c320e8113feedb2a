"""The uvicorn that the app runs on, alone and in replicas of Ray Serve: sockets say goodbye before it closes them."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from utp.api.events.live import Live
from utp.api.security.redaction import redact_logs

FAREWELL_S = 2.0
"""What sockets get for their last words; a client that reads nothing gets none."""
MAX_SOCKET_MESSAGE_BYTES = 64 * 1024
BACKLOG = 2048
"""Connections that wait to be taken, as uvicorn has it."""


class FarewellServer(uvicorn.Server):
    """Else a client is cut off in the middle, and waits before it comes back.

    Args:
        config: of uvicorn.
        live: the sockets of the app that it serves.
    """

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to listen, have the sockets say goodbye, and end as uvicorn does."""
        for server in self.servers:
            server.close()
        self._live.say_goodbye("the server stops")
        await self._live.wait_until_alone(FAREWELL_S)
        await super().shutdown(sockets)


def server_of(app: FastAPI, host: str, port: int) -> FarewellServer:
    """Return the server of an app of `build_app`, as users meet it."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        server_header=False,
        proxy_headers=False,  # whoever connects could claim another address
        ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
        access_log=False,
    )
    redact_logs()
    return FarewellServer(config, app.state.live)


def open_shared_port(host: str, port: int) -> socket.socket:
    """Return a listening socket on a port that others of this user may share: the kernel deals connections out.

    Raises `OSError` where somebody listens alone.
    """
    return socket.create_server((host, port), backlog=BACKLOG, reuse_port=True)
