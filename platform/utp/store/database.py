"""`Database`: read and write transactions on SQLite or PostgreSQL, alike on both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from utp.settings import Settings
from utp.store.clock import booted_at, since_boot_s
from utp.store.engines import database_url, is_worth_a_retry, open_engine, open_for_questions, translate
from utp.store.errors import NotAtOnce, WrongRevision
from utp.store.prepared import Prepared

REVISION = "0003"
"""The newest of `migrations/versions`."""

MAX_TRIES = 3
"""Runs of a write transaction that a conflict or a lost connection undid."""

_WRITER_LOCK = 0x5554_5031
"""PostgreSQL's advisory lock that every write transaction holds, as SQLite has one writer anyhow.

Without it the events' numbers could become visible out of order, and a reader that follows them would miss some.
"""

T = TypeVar("T")


@dataclass(frozen=True)
class Transaction:
    """A write transaction under way."""

    connection: Connection
    now: float
    """Seconds since 1970 by the database's clock, read after the wait for other writers."""


class Database:
    """The store's database.

    Args:
        engine: from `open_engine`.
        clock: in place of the database's own; for tests.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] | None = None) -> None:
        self.engine = engine
        self._clock = clock
        self._booted_at: float | None = None
        self._reading = threading.local()
        self._for_questions: DBAPIConnection | None = None
        self._asking = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of this machine."""
        return self.engine.dialect.name == "sqlite"

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction of its own, alone among the writers, and commit; keep it short.

        It is run again after a conflict or a lost connection, so it must do nothing twice.

        Raises:
            StoreBusy: another writer held the database for longer than 5 s.
            StoreUnavailable: it can't be reached.
            StoreFull: its disk is full.
        """
        for _ in range(MAX_TRIES - 1):
            try:
                return self._write_once(work)
            except DBAPIError as error:
                if not is_worth_a_retry(error):
                    raise self._typed(error) from error
        try:
            return self._write_once(work)
        except DBAPIError as error:
            raise self._typed(error) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection that sees one state of the database; what is changed on it is undone. Raises as `write`.

        Within another one of the same thread it is that one: all that an answer is made of is of one moment.
        """
        outer: Connection | None = getattr(self._reading, "connection", None)
        try:
            if outer is not None:
                yield outer
                return
            with self.engine.connect() as connection:
                if not self.is_sqlite:
                    connection.execution_options(isolation_level="REPEATABLE READ")  # SQLite reads so anyhow
                connection.begin()  # what is `Prepared` would not begin it
                self._reading.connection = connection
                try:
                    yield connection
                finally:
                    self._reading.connection = None
        except (DBAPIError, PoolTimeout) as error:
            raise self._typed(error) from error

    def rows(self, query: Prepared, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        """Return the rows of a query that stands alone. Raises as `write`.

        On SQLite it is asked without pool and transaction of SQLAlchemy's, which take longer than many an answer.
        """
        if getattr(self._reading, "connection", None) is None:
            with suppress(NotAtOnce):
                return self._rows_at_once(query, values)
        with self.read() as connection:
            return query.rows(connection, values)

    def look_up(self, query: Prepared, values: Mapping[str, Any]) -> tuple[list[Sequence[Any]], float]:
        """Return the rows of a query by key, whose `now` is the time, and that time; within tens of microseconds.

        So an event loop may ask. Raises `NotAtOnce` where it could take longer: over a network, or while another
        thread's question or a lock is in the way.
        """
        now = self._now_by_machine()
        return self._rows_at_once(query, {**values, "now": now}), now

    def now(self, connection: Connection) -> float:
        """Return the seconds since 1970 by the database's clock."""
        if self._clock is not None:
            return self._clock()
        if not self.is_sqlite:
            return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
        if self._booted_at is None:
            booted, is_noted = booted_at(connection, may_write="is_write" in connection.get_execution_options())
            if not is_noted:
                return booted + since_boot_s()
            self._booted_at = booted
        return self._booted_at + since_boot_s()

    def check_revision(self) -> None:
        """Raise `WrongRevision` unless the tables are those that this program knows."""
        with self.read() as connection:
            found = read_revision(connection)
        if found != REVISION:
            raise WrongRevision(self.engine.url.render_as_string(hide_password=True), found, REVISION)

    def close(self) -> None:
        """Close all connections."""
        with self._asking:
            if self._for_questions is not None:
                self._for_questions.close()
                self._for_questions = None
        self.engine.dispose()

    def _rows_at_once(self, query: Prepared, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        if not self.is_sqlite or not self._asking.acquire(blocking=False):
            raise NotAtOnce
        try:
            if self._for_questions is None:
                self._for_questions = open_for_questions(self.engine)
            return query.rows_of_driver(self._for_questions, self.engine.dialect, values)
        except (PoolTimeout, DBAPIError, self.engine.dialect.loaded_dbapi.Error) as error:
            raise NotAtOnce from error
        finally:
            self._asking.release()

    def _now_by_machine(self) -> float:
        if self._clock is not None:
            return self._clock()
        if self._booted_at is None:
            raise NotAtOnce
        return self._booted_at + since_boot_s()

    def _write_once(self, work: Callable[[Transaction], T]) -> T:
        try:
            connection = self.engine.connect()
        except PoolTimeout as error:
            raise self._typed(error) from error
        with connection.execution_options(is_write=True), connection.begin():
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})
            return work(Transaction(connection, self.now(connection)))

    def _typed(self, error: DBAPIError | PoolTimeout) -> Exception:
        return translate(error, self.engine) or error


def open_database(settings: Settings, clock: Callable[[], float] | None = None) -> Database:
    """Return the database that the settings name, its revision checked. Raises `WrongRevision` and as `write`."""
    database = Database(open_engine(database_url(settings)), clock)
    try:
        database.check_revision()
    except BaseException:
        database.close()
        raise
    return database


def read_revision(connection: Connection) -> str:
    """Return the revision of the tables; empty where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""
