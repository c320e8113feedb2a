"""A platform as `utp up` makes it, for the page's tests: `platform_server.py PORT`, ended by SIGTERM.

Ray, the dispatcher and the page on Ray Serve, with an empty store, beside the digits; prints a link that logs in.
Needs the repository and its `platform` in PYTHONPATH.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from tests.support.live_platform import LivePlatform


def main() -> None:
    """Serve until somebody ends it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="utp-e2e-") as folder:
        platform = LivePlatform(Path(folder), has_web=True)
        platform.web_port = int(sys.argv[1])
        with platform:
            print(platform.utp("login-link"), "startup complete", flush=True)  # noqa: T201  who started it reads this
            signal.pause()


if __name__ == "__main__":
    main()
