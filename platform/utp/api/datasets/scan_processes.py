"""Starts scans as processes of their own; how far they are is read from the store."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping

from utp.settings import Settings

COMMAND = (sys.executable, "-m", "utp.entrypoints.scan")
_FOLDERS = ("DATASETS_DIR", "UTP_CACHE_DIR", "UTP_HOME")


class ScanProcesses:
    """The scans that this process started. How many there are at most is the store's business.

    Args:
        settings: that the scans get.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()

    def start(self, dataset_id: str, token: str) -> None:
        """Start the scan that was claimed with this token. Raises `OSError`."""
        with self._lock:
            self._started = [process for process in self._started if process.poll() is None]
            process = subprocess.Popen(
                [*COMMAND, dataset_id, token],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **_environment(self._settings)},
            )
            self._started.append(process)

    def close(self) -> None:
        """End those that are under way; the store sees that nothing is heard of them."""
        with self._lock:
            for process in self._started:
                process.kill()
                process.wait()
            self._started = []


def _environment(settings: Settings) -> Mapping[str, str]:
    """Return the settings that a scan reads, as variables."""
    folders = (settings.datasets_dir, settings.cache_dir, settings.home)
    values = {name: str(folder) for name, folder in zip(_FOLDERS, folders, strict=True) if folder is not None}
    return values | ({"UTP_DATABASE_URL": settings.database_url} if settings.database_url else {})
