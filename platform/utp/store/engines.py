"""Engines for SQLite and PostgreSQL, and what their errors mean."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from utp.errors import ConfigError
from utp.settings import Settings
from utp.store.errors import StoreBusy, StoreDamaged, StoreError, StoreFull, StoreUnavailable
from utp.store.safe_text import from_json, to_json

BUSY_TIMEOUT_S = 5.0
"""Longest wait for another writer, and for a connection of the pool."""

STATEMENT_TIMEOUT_S = 15.0
"""PostgreSQL: longest statement; a migration and a report have none."""

SQLITE_FILE = "utp.db"

_FORM = "write postgresql+psycopg://USER:PASSWORD@HOST/NAME"

SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a commit that was answered survives a power cut
    "PRAGMA foreign_keys=ON",
)
_BY_NAME: Mapping[str, Any] = {"_result_disable_adapt_to_context": True}
"""Columns of a row are found by name and place, not by `Run.name`: the map for that, which SQLAlchemy's own ORM goes
without too, takes it longer than SQLite to answer most queries.
"""
_SQLITE_ERRORS: Mapping[int, type[StoreError]] = {
    5: StoreBusy,
    6: StoreBusy,  # locked by another connection of this process
    10: StoreUnavailable,  # input or output
    11: StoreDamaged,
    13: StoreFull,
    14: StoreUnavailable,  # can't be opened
    26: StoreDamaged,  # no database
}
_BUSY_STATES = frozenset({"55P03", "57014", "40001", "40P01"})  # lock and statement time-outs, conflicts
_RETRY_STATES = frozenset({"40001", "40P01", "57P01"})  # serialisation, deadlock, the server goes down
_FULL_STATES = frozenset({"53100"})


def database_url(settings: Settings) -> URL:
    """Return the address of the store. Raises `ConfigError` for one that is neither SQLite nor PostgreSQL."""
    if settings.database_url is None:
        return URL.create("sqlite", database=str(settings.home.absolute() / SQLITE_FILE))
    try:
        url = make_url(settings.database_url)
    except ArgumentError:  # whose text may hold the password
        raise ConfigError((f"UTP_DATABASE_URL: is no address; {_FORM}",)) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg") or not url.database:
        shown = url.render_as_string(hide_password=True)
        raise ConfigError((f"UTP_DATABASE_URL: {shown!r} names no store; {_FORM}",))
    return url


def open_engine(url: URL) -> Engine:
    """Return an engine for SQLite, its file made with mode 0600, or PostgreSQL."""
    return _open_sqlite(url) if url.drivername == "sqlite" else _open_postgres(url)


def _open_sqlite(url: URL) -> Engine:
    file = Path(url.database or "")
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # the WAL and its index take the file's mode
    options: dict[str, Any] = {"timeout": BUSY_TIMEOUT_S, "isolation_level": None}
    engine = create_engine(
        url, module=dbapi2, connect_args=options, pool_timeout=BUSY_TIMEOUT_S, json_serializer=to_json,
        json_deserializer=from_json, execution_options=_BY_NAME,
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        for pragma in SQLITE_PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that turns to writing fails at once and for ever when another one wrote meanwhile.
        if connection.get_execution_options().get("is_write"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:  # it waits for nobody, so there is no error to translate, and the short way will do
            connection.connection.cursor().execute("BEGIN")

    return engine


def _open_postgres(url: URL) -> Engine:
    timeouts = {"lock_timeout": BUSY_TIMEOUT_S, "statement_timeout": STATEMENT_TIMEOUT_S}
    options = " ".join(f"-c {name}={int(seconds * 1000)}" for name, seconds in timeouts.items())
    return create_engine(
        url,
        connect_args={"options": options, "connect_timeout": int(BUSY_TIMEOUT_S), "application_name": "utp"},
        pool_pre_ping=True,
        pool_timeout=BUSY_TIMEOUT_S,
        json_serializer=to_json,
        json_deserializer=from_json,
        execution_options=_BY_NAME,
    )


def open_for_questions(engine: Engine) -> DBAPIConnection:
    """Return a connection to SQLite that waits for no lock and is nobody else's; one thread may use it at a time.

    It is the driver's own: SQLAlchemy's would begin a transaction with its first query, and stand still in it. SQLite
    takes no mutex for it, which it else does for each value of an answer: a tenth of the time of a list.
    """
    flags = dbapi2.SQLITE_OPEN_READWRITE | dbapi2.SQLITE_OPEN_NOMUTEX
    options: dict[str, Any] = {"timeout": 0, "isolation_level": None, "check_same_thread": False, "flags": flags}
    connection: DBAPIConnection = dbapi2.connect(engine.url.database, **options)
    return connection


def is_worth_a_retry(error: DBAPIError) -> bool:
    """Whether a transaction that does nothing twice should simply be run again."""
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _RETRY_STATES


def translate(error: DBAPIError | PoolTimeout, engine: Engine) -> StoreError | None:
    """Return the typed error of a database's trouble; None for what only a bug can cause."""
    name = engine.url.render_as_string(hide_password=True)
    if isinstance(error, PoolTimeout):
        return StoreBusy(name, "all its connections are in use")
    reason = str(error.orig).strip().split("\n")[0]
    kind = _kind_of_sqlite(error) if engine.dialect.name == "sqlite" else _kind_of_postgres(error)
    return kind(name, reason) if kind else None


def _kind_of_sqlite(error: DBAPIError) -> type[StoreError] | None:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else _SQLITE_ERRORS.get(code & 0xFF)  # the upper bits refine it


def _kind_of_postgres(error: DBAPIError) -> type[StoreError] | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state in _BUSY_STATES:
        return StoreBusy
    if state in _FULL_STATES:
        return StoreFull
    # Class 08: connection; 53: resources, as too many clients; 57P0x: the server stops, crashed or starts.
    is_down = error.connection_invalidated or (state or "08").startswith(("08", "53", "57P", "58"))
    return StoreUnavailable if is_down and isinstance(error, OperationalError | InterfaceError) else None
