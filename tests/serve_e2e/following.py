"""Clients that follow a log over the socket as the page does, and come back to where they were."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field

from tests.support.web_platform import WebPlatform
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

BACK_OFF_S = (0.2, 5.0)


@dataclass
class Follower:
    """Follows one log until it has heard a line, however often the connection is cut."""

    platform: WebPlatform
    run_id: str
    next_line: int
    heard: list[int] = field(default_factory=list)
    num_connections: int = 0

    async def follow(self, until: int, timeout_s: float = 180.0) -> None:
        """Come back with growing, jittered pauses until the line `until` was heard."""
        pause_s = BACK_OFF_S[0]
        async with asyncio.timeout(timeout_s):
            while self.next_line <= until:
                try:
                    await self._hear(until)
                    pause_s = BACK_OFF_S[0]
                except (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, TimeoutError):
                    await asyncio.sleep(random.uniform(0, pause_s))
                    pause_s = min(2 * pause_s, BACK_OFF_S[1])

    async def _hear(self, until: int) -> None:
        async with open_socket(self.platform) as socket:
            self.num_connections += 1
            asked = {"topic": "log", "run_id": self.run_id, "attempt": 1, "stream": "rank0.log"}
            await socket.send(json.dumps({"op": "sub", "id": 1, **asked, "from_line": self.next_line}))
            while self.next_line <= until:
                message = json.loads(await asyncio.wait_for(socket.recv(), 20))  # a wedged replica says nothing
                if message["type"] == "mark":
                    await socket.send(json.dumps({"op": "seen", "number": message["number"]}))
                elif message["type"] == "log":
                    self.heard += [line["line"] for line in message["lines"]]
                    self.next_line = self.heard[-1] + 1
                elif message["type"] in ("error", "goodbye"):
                    return


def open_socket(platform: WebPlatform) -> connect:
    """Return a connection to be opened."""
    headers = {"Authorization": f"Bearer {platform.access_token}"}
    url = platform.url.replace("http", "ws", 1) + "/api/v1/ws"
    return connect(url, additional_headers=headers, open_timeout=60, ping_interval=None, max_size=None)


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, last))
