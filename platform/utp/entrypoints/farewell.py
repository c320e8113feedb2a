"""`FarewellServer`: a uvicorn that lets sockets say goodbye before it closes them."""

from __future__ import annotations

import socket

import uvicorn

from utp.api.events.live import Live

FAREWELL_S = 2.0
"""What sockets get for their last words; a client that reads nothing gets none."""


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
