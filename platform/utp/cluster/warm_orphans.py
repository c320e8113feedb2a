"""`Orphans`: ends the warm server's children whose job is gone. A child that is stopped can't do so by itself."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import time

GRACE_S = 10.0
"""A child whose job has ended gets so long to end by itself."""
_LOOK_EVERY_S = 1.0
_CREDENTIALS = struct.Struct("3i")
"""Of SO_PEERCRED, unix(7): process, user, group."""


class Orphans:
    """Holds processes by descriptors, since their numbers are given out again; has no thread.

    Args:
        grace_s: seconds from the end of a job to that of its child.
    """

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._children: dict[int, int] = {}
        """Descriptor of a job's process to that of its child's."""
        self._left_at: dict[int, float] = {}
        """Descriptor of a child to when its job was found gone."""

    def watch(self, connection: socket.socket, pid: int) -> None:
        """Have this child end with the job at the other end of the connection."""
        try:
            child = os.pidfd_open(pid)
        except ProcessLookupError:
            return  # it was quick
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        try:
            self._children[os.pidfd_open(_CREDENTIALS.unpack(credentials)[0])] = child
        except ProcessLookupError:
            self._left_at[child] = time.monotonic()

    def wait_for_job(self, listener: socket.socket) -> None:
        """Return once a job connects, and end orphans until then."""
        number = listener.fileno()
        while number not in (ready := select.select([number, *self._children], [], [], _LOOK_EVERY_S)[0]):
            self._step(ready)

    def forget(self) -> None:
        """Close all descriptors, in a child."""
        for descriptor in (*self._children, *self._children.values(), *self._left_at):
            os.close(descriptor)

    def _step(self, gone: list[int]) -> None:
        now = time.monotonic()
        for job in gone:
            self._left_at[self._children.pop(job)] = now
            os.close(job)
        for child in [child for child, left_at in self._left_at.items() if now - left_at >= self._grace_s]:
            del self._left_at[child]
            try:
                signal.pidfd_send_signal(child, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended by itself
            finally:
                os.close(child)
