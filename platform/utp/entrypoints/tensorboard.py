"""`python -m utp.entrypoints.tensorboard FOLDER PREFIX`: one TensorBoard for the API, on a socket in FOLDER.

It shows `FOLDER/runs`, ends with its standard input (which the API holds open) or when nobody has asked for anything
for a while, and removes FOLDER then.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tensorboard.default import get_static_plugins
from tensorboard.program import TensorBoard, TensorBoardServer
from werkzeug.serving import ThreadedWSGIServer

IDLE_S = 900.0
RELOAD_S = 2
"""With the writer's flush, a number is seen within 10 s."""
POLL_S = 1.0
REMOVALS = 50


class SocketServer(TensorBoardServer):  # type: ignore[misc]  # has no types
    """Serves on a Unix socket, and notes when it was last asked."""

    def __init__(self, app: Callable[..., Iterable[bytes]], flags: Any) -> None:
        self._app = app
        self._prefix = flags.path_prefix
        self.last_asked_s = time.monotonic()
        self._server = ThreadedWSGIServer(f"unix://{Path(flags.logdir).parent / 'socket'}", 0, self._answer)
        threading.Thread(target=self._end_in_time, args=(Path(flags.logdir).parent,), daemon=True).start()

    def serve_forever(self) -> None:
        """Serve until the process ends."""
        self._server.serve_forever()

    def get_url(self) -> str:
        """Return an address for TensorBoard's own record; nobody can reach it there."""
        return f"http://localhost:1{self._prefix}/"

    def print_serving_message(self) -> None:
        """Say nothing."""

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.last_asked_s = time.monotonic()
        return self._app(environ, start_response)

    def _end_in_time(self, folder: Path) -> None:
        while time.monotonic() - self.last_asked_s < IDLE_S:
            if select.select([sys.stdin], [], [], POLL_S)[0]:
                break  # nothing is ever written there: the API is gone
        for _ in range(REMOVALS):  # TensorBoard's own threads may just be making a file there
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(POLL_S / 10)
        os._exit(0)


def main() -> None:
    """Serve what the arguments say."""
    folder, prefix = sys.argv[1:]
    program = TensorBoard(plugins=get_static_plugins(), server_class=SocketServer)
    options = {"logdir": f"{folder}/runs", "path_prefix": prefix, "reload_interval": str(RELOAD_S), "load_fast": "auto"}
    program.configure(("tensorboard", *(word for name, value in options.items() for word in (f"--{name}", value))))
    sys.exit(program.main())


if __name__ == "__main__":
    main()
