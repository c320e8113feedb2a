"""What the database does when others are in the way, it is full, or it goes away."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.store.conftest import CONFIG, REQUEST, Clock, empty_tables
from tests.support.postgres import PostgresServer

from utp.errors import ConfigError
from utp.settings import Settings
from utp.store import clock as machine_clock
from utp.store import engines
from utp.store.database import Database, Transaction, open_database
from utp.store.engines import database_url, open_engine
from utp.store.errors import StoreBusy, StoreDamaged, StoreFull, StoreUnavailable, WrongRevision
from utp.store.recorder import Recorder
from utp.store.repositories.projects import ProjectRepository
from utp.store.repositories.run_queue import QueueRepository
from utp.store.repositories.runs import RunRepository
from utp.store.safe_text import from_json, to_json

Queue = Callable[[], str]


@pytest.fixture
def impatient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A second user of the database who waits for others 0.3 s in place of 5."""
    assert engines.BUSY_TIMEOUT_S == 5
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_S", 0.3)
    database = open_database(settings)
    yield database
    database.close()


def names(database: Database) -> list[str]:
    return [project.name for project in ProjectRepository(database).list_projects()]


def test_busy_database_is_waited_for_and_then_said_to_be_busy(
    recorder: Recorder, database: Database, impatient: Database
) -> None:
    def hold_and_try(tx: Transaction) -> float:
        started = time.monotonic()
        with pytest.raises(StoreBusy, match=r"is busy: .*; try again in a few seconds"):
            Recorder(impatient).set_project("late")
        return time.monotonic() - started

    waited = database.write(hold_and_try)
    assert 0.25 < waited < 4
    assert names(impatient) == []
    Recorder(impatient).set_project("now")
    assert names(database) == ["now"]


def test_readers_are_not_held_up_by_a_writer(database: Database, impatient: Database) -> None:
    def write_and_read(tx: Transaction) -> list[str]:
        tx.connection.execute(text("UPDATE projects SET name = 'other'"))
        return names(impatient)

    Recorder(database).set_project("old")
    assert database.write(write_and_read) == ["old"]


def test_all_connections_in_use_is_busy(database: Database, impatient: Database) -> None:
    impatient.engine.dispose()
    held = [impatient.engine.connect() for _ in range(15)]  # the pool's 5 and its overflow of 10
    for act in (lambda: names(impatient), lambda: Recorder(impatient).set_project("x")):
        with pytest.raises(StoreBusy, match="all its connections are in use"):
            act()
    for connection in held:
        connection.close()
    assert names(impatient) == []


def test_transaction_that_fails_leaves_nothing(recorder: Recorder, database: Database) -> None:
    def work(tx: Transaction) -> None:
        tx.connection.execute(text("INSERT INTO machine_clocks VALUES ('x', 0)"))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(work)
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM machine_clocks WHERE boot_id = 'x'")).scalar() == 0


def test_what_is_changed_while_reading_is_undone(recorder: Recorder, database: Database) -> None:
    recorder.set_project("a")
    with database.read() as connection:
        connection.execute(text("UPDATE projects SET name = 'b'"))
    assert names(database) == ["a"]


def test_reads_within_a_read_see_one_state_and_later_ones_the_newest(recorder: Recorder, database: Database) -> None:
    with database.read():
        assert names(database) == []
        writer = threading.Thread(target=recorder.set_project, args=("a",))
        writer.start()
        writer.join()
        assert names(database) == []
    assert names(database) == ["a"]


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True]}, "\ud800", 10**30, "\N{PILE OF POO}"])
def test_json_comes_back_as_it_was_also_with_half_a_character(value: object) -> None:
    assert from_json(to_json(value)) == value


def test_jump_of_the_wall_clock_moves_no_lease(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_database(settings)
    started = first.write(lambda tx: tx.now)
    assert started == pytest.approx(time.time(), abs=60)
    monkeypatch.setattr(machine_clock.time, "time", lambda: started + 3600)
    second = open_database(settings)
    for database in (first, second):
        assert started <= database.write(lambda tx: tx.now) < started + 60
        with database.read() as connection:
            assert started <= database.now(connection) < started + 60
        database.close()


def test_order_of_queue_and_events_survives_a_clock_that_goes_back(
    recorder: Recorder, queue: Queue, database: Database, clock: Clock
) -> None:
    runs = []
    for _ in range(3):
        runs.append(queue())
        clock.now -= 3600
    assert [row.run_id for row in QueueRepository(database).queued()] == runs


def test_strings_are_data(recorder: Recorder, settings: Settings, database: Database) -> None:
    odd = "'; DROP TABLE runs; --\" % _ \\ \N{PILE OF POO}"
    run = recorder.queue_run(CONFIG, REQUEST, project=odd, owner=odd, tags=[odd], settings=settings)
    [row] = RunRepository(database).list_runs(project=odd, owner=odd)
    assert (row.id, row.tags) == (run.id, [odd])


@pytest.mark.parametrize(
    "error", [StoreBusy("db", "x"), WrongRevision("db", "0009", "0001"), WrongRevision("db", "", "0001")]
)
def test_errors_cross_processes(error: Exception) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/x", "sqlite://", "postgresql://u:secret@h"])
def test_address_of_another_kind_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"UTP_DATABASE_URL: .* names no store") as caught:
        database_url(Settings.model_validate({"UTP_DATABASE_URL": url}))
    assert "secret" not in str(caught.value)


class TestSqlite:
    @pytest.fixture
    def settings(self, tmp_path: Path, sqlite_template: Path) -> Settings:
        home = tmp_path / "home"
        home.mkdir()
        (home / engines.SQLITE_FILE).write_bytes(sqlite_template.read_bytes())
        return Settings.model_validate({"UTP_HOME": home, "SHARED_LOGS_DIR": tmp_path})

    def test_only_its_owner_may_read_the_file(self, tmp_path: Path) -> None:
        settings = Settings.model_validate({"UTP_HOME": tmp_path / "new" / "home"})
        with pytest.raises(WrongRevision, match=r"is empty, this utp knows .*: run `utp up`, which upgrades it"):
            open_database(settings)
        assert {oct(path.stat().st_mode)[-3:] for path in settings.home.iterdir()} == {"600"}
        assert oct(settings.home.stat().st_mode)[-3:] == "700"

    def test_commits_are_durable_and_readers_not_blocked(self, database: Database) -> None:
        with database.read() as connection:
            answers = {
                name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "foreign_keys")
            }
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert answers == {"synchronous": 2, "foreign_keys": 1}

    def test_full_disk_is_said_and_costs_nothing(self, database: Database, recorder: Recorder) -> None:
        recorder.set_project("kept")
        with database.engine.connect() as connection:  # the pool hands out this one again
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        with pytest.raises(StoreFull, match="free some space, nothing was lost"):
            recorder.set_project("new", description="x" * 100_000)
        assert names(database) == ["kept"]
        with database.engine.connect() as connection:
            connection.execute(text("PRAGMA max_page_count = 1000000"))
        recorder.set_project("new", description="x" * 100_000)
        assert names(database) == ["kept", "new"]

    def test_folder_that_can_not_be_written_to_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(NotADirectoryError):
            open_engine(database_url(Settings.model_validate({"UTP_HOME": tmp_path / "file" / "home"})))

    def test_damaged_file_is_no_silent_start(self, settings: Settings) -> None:
        file = settings.home / engines.SQLITE_FILE
        file.write_bytes(os.urandom(8192))
        with pytest.raises(StoreDamaged, match="file is not a database; put a backup in its place"):
            open_database(settings)


class TestPostgres:
    @pytest.fixture
    def settings(self, tmp_path: Path, postgres_url: str) -> Settings:
        empty_tables(postgres_url)
        return Settings.model_validate({"UTP_DATABASE_URL": postgres_url, "SHARED_LOGS_DIR": tmp_path})

    def test_transaction_whose_connection_is_lost_is_run_again(self, database: Database, impatient: Database) -> None:
        tries = []

        def work(tx: Transaction) -> str:
            tries.append(tx.now)
            own = tx.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            if len(tries) == 1:
                with impatient.read() as other:
                    other.execute(text(f"SELECT pg_terminate_backend({own})"))
            return str(tx.connection.execute(text("SELECT 'done'")).scalar_one())

        assert database.write(work) == "done"
        assert len(tries) == 2

    @pytest.mark.fault
    @pytest.mark.process
    def test_crash_of_the_server_is_said_at_once_and_got_over(
        self, database: Database, recorder: Recorder, postgres: PostgresServer
    ) -> None:
        recorder.set_project("before")
        postgres.stop("immediate")
        try:
            for act in (lambda: names(database), lambda: recorder.set_project("meanwhile")):
                started = time.monotonic()
                with pytest.raises(StoreUnavailable, match="can't be reached"):
                    act()
                assert time.monotonic() - started < 5
        finally:
            postgres.start()
        recorder.set_project("after")
        assert names(database) == ["after", "before"]

    def test_table_that_somebody_locked_makes_it_busy(self, database: Database, impatient: Database) -> None:
        with database.engine.begin() as connection:
            connection.execute(text("LOCK TABLE projects"))
            with pytest.raises(StoreBusy, match="lock timeout"):
                names(impatient)
        assert names(impatient) == []

    def test_password_is_in_no_message(self) -> None:
        url = "postgresql+psycopg://ann:secret@127.0.0.1:1/utp"
        with pytest.raises(StoreUnavailable) as caught:
            open_database(Settings.model_validate({"UTP_DATABASE_URL": url}))
        assert "secret" not in str(caught.value)
        assert "ann" in str(caught.value)
