"""The real API on real runs, for the page's tests: `server.py PORT FOLDER`; FOLDER keeps the runs for the next time.

Trains three small runs on a few digits (some seconds), records them, then serves. It prints the link that logs in.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT)]

MOUNTS = {"DATASETS_DIR": "datasets", "SHARED_LOGS_DIR": "shared", "UTP_CACHE_DIR": "cache", "UTP_HOME": "home"}


def main() -> None:
    """Make what is missing, then become the server."""
    port, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    if not (folder / "home").exists():
        from tests.support.digits_runs import make_digits_runs  # noqa: PLC0415 (imports torch: only when it trains)

        folder.mkdir(parents=True, exist_ok=True)
        make_digits_runs(folder)
    places = {name: str(folder / place) for name, place in MOUNTS.items()}
    environment = {**os.environ, **places, "PYTHONPATH": str(ROOT / "platform"), "UTP_UI_DIR": str(ROOT / "web_ui/out")}
    arguments = [sys.executable, "-m", "utp.entrypoints.api", "--port", port]
    os.execve(sys.executable, arguments, environment)


if __name__ == "__main__":
    main()
