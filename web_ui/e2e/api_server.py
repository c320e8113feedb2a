"""The real API on real runs, for the page's tests: `server.py PORT FOLDER`; FOLDER keeps the runs for the next time.

Trains three small runs on a few digits (some seconds), records them, prints a link that logs in, then serves.
Needs the repository and its `platform` in PYTHONPATH.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.digits_runs import make_digits_runs

HERE = Path(__file__).resolve().parent
MOUNTS = {"DATASETS_DIR": "datasets", "SHARED_LOGS_DIR": "shared", "UTP_CACHE_DIR": "cache", "UTP_HOME": "home"}


def main() -> None:
    """Make what is missing, then become the server."""
    port, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    if not (folder / "home").exists():
        folder.mkdir(parents=True, exist_ok=True)
        make_digits_runs(folder)
    os.environ |= {name: str(folder / place) for name, place in MOUNTS.items()}
    os.environ["UTP_UI_DIR"] = str(HERE.parent / "out")
    command = [sys.executable, "-m", "utp.entrypoints.cli", "login-link", "--url", f"http://localhost:{port}"]
    subprocess.run(command, check=True)
    os.execv(sys.executable, [sys.executable, "-m", "utp.entrypoints.api", "--port", port])  # noqa: S606


if __name__ == "__main__":
    main()
