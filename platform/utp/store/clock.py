"""The database's clock: seconds since 1970 that no jump of a process's or the machine's wall clock moves.

PostgreSQL has one of its own. SQLite's writers share one machine, whose time since boot nobody can set: it is added to
the hour of booting as the first process noted it.
"""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import Connection, bindparam, insert, select

from utp.store.tables.machine_clock import MachineClock

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NOTED = select(MachineClock.booted_at).where(MachineClock.boot_id == bindparam("boot_id"))


def since_boot_s() -> float:
    """Return the seconds since the machine booted, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def booted_at(connection: Connection, *, may_write: bool) -> tuple[float, bool]:
    """Return when this machine booted, in seconds since 1970, and whether that was noted before.

    The first write transaction of a boot notes it.
    """
    boot_id = _BOOT_ID.read_text().strip()
    noted = connection.scalar(_NOTED, {"boot_id": boot_id})
    if noted is not None:
        return noted, True
    now = time.time() - since_boot_s()
    if may_write:
        connection.execute(insert(MachineClock).values(boot_id=boot_id, booted_at=now))
    return now, False
