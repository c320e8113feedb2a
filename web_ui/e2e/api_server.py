"""The real API on real runs, for the page's tests: `api_server.py PORT`.

Trains three small runs on a few digits (some seconds), records them, adds hostile text, prints a link that logs in,
then serves. The folder that E2E_FOLDER names keeps the runs for the next time.
Needs the repository and its `platform` in PYTHONPATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.digits_runs import make_digits_runs

HERE = Path(__file__).resolve().parent
MOUNTS = {"DATASETS_DIR": "datasets", "SHARED_LOGS_DIR": "shared", "UTP_CACHE_DIR": "cache", "UTP_HOME": "home"}


def make_hostile(folder: Path) -> None:
    """Put what a browser must not run into all logs, and into the class and file names of a dataset."""
    lines = json.loads((HERE / "hostile.json").read_text())
    links = ["\x1b]8;;javascript:window.ran='osc'\x1b\\click\x1b]8;;\x1b\\", "\x1b[38;2;1;2;url(//evil.example)m red"]
    for log in folder.glob("shared/runs/*/*/attempts/*/rank0.log"):
        with log.open("a") as file:
            file.writelines(f"{line}\n" for line in [*lines, *(f"\x1b[31m{line}\x1b[0m" for line in lines), *links])
    for split in ("train", "val"):
        for name, source in (("<img src=x onerror=window.ran='class'>", "0"), ("'\"><svg onload=window.ran=1>", "1")):
            place = folder / "datasets" / "hostile" / split / name
            place.mkdir(parents=True)
            for image in (folder / "datasets" / "digits" / split / source).iterdir():
                shutil.copy(image, place / f"<script>window.ran='file' {image.name}")


def main() -> None:
    """Make what is missing, then become the server."""
    port = sys.argv[1]
    folder = Path(os.environ.get("E2E_FOLDER") or HERE.parent / "test-results" / "runs").resolve()
    if not (folder / "home").exists():
        folder.mkdir(parents=True, exist_ok=True)
        make_digits_runs(folder)
        make_hostile(folder)
    os.environ |= {name: str(folder / place) for name, place in MOUNTS.items()}
    os.environ["UTP_UI_DIR"] = str(HERE.parent / "out")
    command = [sys.executable, "-m", "utp.entrypoints.cli", "login-link", "--url", f"http://localhost:{port}"]
    subprocess.run(command, check=True)
    os.execv(sys.executable, [sys.executable, "-m", "utp.entrypoints.api", "--port", port])  # noqa: S606


if __name__ == "__main__":
    main()
