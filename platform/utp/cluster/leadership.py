"""One dispatcher at a time: a lock that ends with the process that holds it, and with its connection."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from utp.store.database import Database
from utp.store.engines import translate

_DISPATCHER_LOCK = 0x5554_5032
"""PostgreSQL's advisory lock; the store's writers hold the number before it."""


class Leadership:
    """The right to hand runs to Ray.

    With PostgreSQL an advisory lock on a connection of its own, with SQLite, whose writers share one machine, a lock on
    a file beside it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._file: IO[bytes] | None = None

    def is_held(self) -> bool:
        """Whether this process leads now; takes the lead where nobody has it. Call it before each step.

        Raises:
            StoreError: the database can't be asked.
        """
        return self._has_file() if self._database.is_sqlite else self._has_connection()

    def close(self) -> None:
        """Give it up."""
        if self._file is not None:
            self._file.close()
        if self._connection is not None:
            self._connection.invalidate()  # back in the pool it would keep the lock
            self._connection.close()
        self._file = self._connection = None

    def _has_file(self) -> bool:
        if self._file is not None:
            return True
        file = Path(f"{self._database.engine.url.database}.dispatcher").open("wb")  # noqa: SIM115  held for good
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def _has_connection(self) -> bool:
        if self._connection is None:
            self._connection = self._take_lock()
        if self._connection is None:
            return False
        try:
            self._connection.execute(text("SELECT 1"))
        except Exception:  # noqa: BLE001  whatever it is, the connection and the lock with it are gone
            self.close()
            return False
        return True

    def _take_lock(self) -> Connection | None:
        """Return the connection that holds the lock; none where another one does."""
        engine = self._database.engine
        try:
            connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _DISPATCHER_LOCK}):
                return connection
            connection.close()
        except (DBAPIError, PoolTimeout) as error:
            raise translate(error, engine) or error from error
        return None
