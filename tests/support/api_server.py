"""The API on a real uvicorn in a thread of the test, on a port of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from utp.entrypoints.farewell import FarewellServer


@contextmanager
def serving(app: FastAPI, *, waits: bool = True) -> Iterator[str]:
    """Serve until the end of the block and, unless told otherwise, until all clients have left; gives `host:port`."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = FarewellServer(uvicorn.Config(app, log_level="warning", ws="websockets-sansio"), app.state.live)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            while waits and server.server_state.connections:
                time.sleep(0.01)  # who dropped its connection is noticed before the loop ends
            server.should_exit = True
            thread.join()
