"""Brings the tables of a database to the revision that this program knows."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from pysqlite3 import dbapi2
from sqlalchemy import text

from utp.store.database import REVISION, Database, read_revision
from utp.store.errors import WrongRevision

SCRIPTS = "utp.store:migrations"
"""Package and folder of the migrations."""


def upgrade(database: Database) -> None:
    """Run the migrations that are missing, all in one transaction; a kill half-way leaves the old tables.

    On SQLite a copy of the file is made first, beside it, as `utp.db.before-REVISION-TIME`.

    Raises:
        WrongRevision: the tables are newer than this program.
    """
    with database.read() as connection:
        found = read_revision(connection)
    if found > REVISION:
        raise WrongRevision(database.engine.url.render_as_string(hide_password=True), found, REVISION)
    if found == REVISION:
        return
    if database.is_sqlite and found:
        _back_up(Path(database.engine.url.database or ""))
    with database.engine.connect().execution_options(is_write=True) as connection, connection.begin():
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        config = Config()
        config.set_main_option("script_location", SCRIPTS)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _back_up(file: Path) -> Path:
    """Copy a live database whole; the name appears when all is there."""
    copy = file.with_name(f"{file.name}.before-{REVISION}-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    partial = copy.with_suffix(".partial")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    source, target = dbapi2.connect(file), dbapi2.connect(partial)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()
    return partial.rename(copy)
