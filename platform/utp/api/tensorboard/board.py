"""`Board`: one TensorBoard process with its folder of links to runs."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

COMMAND = (sys.executable, "-m", "utp.entrypoints.tensorboard")
PREFIX = "/tensorboard"
FOLDER_PREFIX = "utp-tb-"
"""Short: a socket's path has 107 characters at most."""
YOUNG_S = 60.0
"""Age of a folder that is not held yet."""
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "HOME")
"""It needs no address and no secret of the server."""
_LOG_BYTES = 4000

_log = logging.getLogger(__name__)


class Board:
    """Started with the constructor; it ends itself when it is idle, and when this process is gone.

    It listens on a socket in a folder that only this user can enter, since TensorBoard asks nobody who they are.

    Args:
        key: names it in its addresses.
        logs: folder of event files by name of run.

    Raises:
        OSError: it can't be started; nothing of it stays.
    """

    def __init__(self, key: str, logs: Mapping[str, Path]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
        self._hold = _hold(self._folder)
        self._is_ready = False
        self.key = key
        self.num_requests = 0
        """Under way."""
        self.last_used_s = time.monotonic()
        try:
            (self._folder / "runs").mkdir()
            self.link(logs)
            self._process = self._start()
        except BaseException:
            self._remove()  # nobody else would: this process holds the folder
            raise

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._folder / "socket"

    def is_alive(self) -> bool:
        """Whether its process is."""
        return self._process.poll() is None

    def is_ready(self) -> bool:
        """Whether it answers."""
        if not self._is_ready:
            with socket.socket(socket.AF_UNIX) as probe:
                self._is_ready = probe.connect_ex(str(self.socket)) == 0
        return self._is_ready

    def link(self, logs: Mapping[str, Path]) -> None:
        """Show these runs, and no others."""
        folder = self._folder / "runs"
        shown = {link.name: link.readlink() for link in folder.iterdir()}
        for name, target in shown.items():
            if target != logs.get(name):  # a name may have come to mean another run
                (folder / name).unlink()
        for name, target in logs.items():
            if target != shown.get(name):
                (folder / name).symlink_to(target, target_is_directory=True)

    def last_words(self) -> str:
        """Return the end of what it wrote."""
        try:
            return (self._folder / "log").read_bytes()[-_LOG_BYTES:].decode(errors="replace")
        except OSError:
            return ""  # it has cleaned up after itself

    def close(self) -> None:
        """End it."""
        self._process.kill()  # its loader ends with the pipe between them
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._remove()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(
                [*COMMAND, str(self._folder), f"{PREFIX}/{self.key}"],
                stdin=subprocess.PIPE,  # held open: its end tells the process that this one is gone, however it went
                stdout=log,
                stderr=log,
                env={**_kept_environment(), "TMPDIR": str(self._folder)},
                pass_fds=(self._hold,),  # the folder is held for as long as one of the two lives
            )

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._hold)


def remove_orphans() -> None:
    """Remove the folders of boards that were killed together with their API: nobody holds them any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        try:
            status = folder.lstat()
            if status.st_uid == os.getuid() and time.time() - status.st_mtime > YOUNG_S:
                os.close(_hold(folder, is_alone=True))
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # held, or gone meanwhile


def _hold(folder: Path, *, is_alone: bool = False) -> int:
    """Return a descriptor that holds a folder; alone: raise `BlockingIOError` where somebody else does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if is_alone else fcntl.LOCK_SH)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _kept_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
