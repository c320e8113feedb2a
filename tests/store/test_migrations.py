"""Migrations: they make the tables that the program knows, and a kill at any statement leaves what was there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from utp.settings import Settings
from utp.store import database as database_module
from utp.store import upgrade as upgrade_module
from utp.store.database import REVISION, Database, open_database, read_revision
from utp.store.engines import SQLITE_FILE, database_url, open_engine
from utp.store.errors import WrongRevision
from utp.store.tables import Base
from utp.store.upgrade import upgrade

SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{before}"


def upgrade() -> None:
    with op.batch_alter_table("projects") as table:
        table.add_column(sa.Column("colour", sa.String()))
    op.create_table("extra", sa.Column("id", sa.Integer(), primary_key=True))
"""

KILL_AT_STATEMENTS = """
import os, signal, sys
from sqlalchemy import event, inspect
from utp.settings import get_settings
from utp.store.database import Database, read_revision
from utp.store.engines import database_url, open_engine
from utp.store.upgrade import upgrade

def upgrade_until(last):
    database = Database(open_engine(database_url(get_settings())))
    seen = 0
    @event.listens_for(database.engine, "before_cursor_execute")
    def count(*_):
        nonlocal seen
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)
    upgrade(database)

killed, statement = 0, 1
while True:
    child = os.fork()
    if child == 0:
        upgrade_until(statement)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    killed, statement = killed + 1, statement + 6
    database = Database(open_engine(database_url(get_settings())))
    with database.read() as connection:
        assert read_revision(connection) == "", killed
        assert inspect(connection).get_table_names() == [], killed
    database.close()
print(killed)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with a database without tables."""
    values = {"UTP_HOME": tmp_path / "home", "SHARED_LOGS_DIR": tmp_path}
    if request.param == "postgresql":
        values["UTP_DATABASE_URL"] = request.getfixturevalue("postgres").new_database()
    return Settings.model_validate(values)


@pytest.fixture
def fresh(empty: Settings) -> Iterator[Database]:
    database = Database(open_engine(database_url(empty)))
    yield database
    database.close()


def revision(database: Database) -> str:
    with database.read() as connection:
        return read_revision(connection)


def add_second_revision(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(str(files("utp.store") / "migrations"), folder)
    (folder / "versions" / "second.py").write_text(SECOND.format(before=REVISION))
    monkeypatch.setattr(upgrade_module, "SCRIPTS", str(folder))
    for module in (upgrade_module, database_module):
        monkeypatch.setattr(module, "REVISION", "9999")


def test_migrations_make_the_tables_that_the_program_knows(fresh: Database) -> None:
    upgrade(fresh)
    fresh.check_revision()
    with fresh.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_program_knows_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(files("utp.store") / "migrations"))
    assert scripts.get_heads() == [REVISION]


def test_upgrade_of_what_is_new_enough_does_nothing(fresh: Database) -> None:
    for _ in range(2):
        upgrade(fresh)
    assert revision(fresh) == REVISION


def test_database_without_or_with_newer_tables_is_refused_with_the_way_out(empty: Settings, fresh: Database) -> None:
    with pytest.raises(WrongRevision, match=r"is empty, .* run `utp up`"):
        open_database(empty)
    upgrade(fresh)
    fresh.write(lambda tx: tx.connection.execute(text("UPDATE alembic_version SET version_num = '9999'")).close())
    for act in (lambda: open_database(empty), lambda: upgrade(fresh)):
        with pytest.raises(WrongRevision, match=f"is of revision 9999, this utp knows {REVISION}: install the newer"):
            act()


def test_upgrade_from_the_revision_before_keeps_the_rows_and_a_copy(
    empty: Settings, fresh: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(fresh)
    row = "INSERT INTO projects (id, name, description, created_at) VALUES ('1', 'mine', '', 0)"
    fresh.write(lambda tx: tx.connection.execute(text(row)).close())
    add_second_revision(tmp_path / "migrations", monkeypatch)
    upgrade(fresh)
    with fresh.read() as connection:
        assert connection.execute(text("SELECT name, colour FROM projects")).all() == [("mine", None)]
        assert "extra" in inspect(connection).get_table_names()
    assert revision(fresh) == "9999"
    copies = list(empty.home.glob(f"{SQLITE_FILE}.before-9999-*"))
    assert len(copies) == fresh.is_sqlite
    for copy in copies:
        assert oct(copy.stat().st_mode)[-3:] == "600"
        old = Database(open_engine(database_url(empty).set(database=str(copy))))
        with old.read() as connection:
            assert connection.execute(text("SELECT name FROM projects")).scalar() == "mine"
        assert revision(old) == REVISION
        old.close()


@pytest.mark.fault
@pytest.mark.process
def test_migration_killed_at_any_statement_leaves_nothing_and_runs_again(empty: Settings, fresh: Database) -> None:
    environment = {"UTP_HOME": str(empty.home), "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    if empty.database_url:
        environment["UTP_DATABASE_URL"] = empty.database_url
    command = [sys.executable, "-c", textwrap.dedent(KILL_AT_STATEMENTS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 4
    fresh.check_revision()
