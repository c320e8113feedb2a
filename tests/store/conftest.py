"""Every test of the store runs on SQLite and on PostgreSQL, each with a database of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.support.postgres import PostgresServer, find_programs

from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import Settings
from utp.store import engines
from utp.store.database import Database, open_database
from utp.store.engines import SQLITE_FILE, database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.tables import Base
from utp.store.upgrade import upgrade

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)
REQUEST = RunRequest()


@dataclass
class Clock:
    """A database's clock that only a test moves; seconds."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not installed: apt-get install postgresql")
    with PostgresServer.started(programs) as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables."""
    settings = Settings.model_validate({"UTP_HOME": tmp_path_factory.mktemp("template")})
    upgrade_and_close(settings)
    return settings.home / SQLITE_FILE


@pytest.fixture(scope="session")
def postgres_url(postgres: PostgresServer) -> str:
    """Address of a PostgreSQL database with all tables."""
    url = postgres.new_database()
    upgrade_and_close(Settings.model_validate({"UTP_DATABASE_URL": url}))
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a database of this test, all tables in it."""
    values: dict[str, Any] = {name: tmp_path / name for name in ("DATASETS_DIR", "SHARED_LOGS_DIR", "UTP_HOME")}
    if request.param == "postgresql":
        values["UTP_DATABASE_URL"] = request.getfixturevalue("postgres_url")
        empty_tables(values["UTP_DATABASE_URL"])
    else:
        (tmp_path / "UTP_HOME").mkdir()
        pragmas = [pragma.replace("synchronous=FULL", "synchronous=OFF") for pragma in engines.SQLITE_PRAGMAS]
        monkeypatch.setattr(engines, "SQLITE_PRAGMAS", pragmas)  # the disk costs 10 ms a commit
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "UTP_HOME" / SQLITE_FILE)
    return Settings.model_validate(values)


def empty_tables(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        names = ", ".join(table.name for table in Base.metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    engine.dispose()


def upgrade_and_close(settings: Settings) -> None:
    database = Database(open_engine(database_url(settings)))
    upgrade(database)
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(settings: Settings, clock: Clock) -> Iterator[Database]:
    """A database whose clock the test moves."""
    database = open_database(settings, clock)
    yield database
    database.close()


@pytest.fixture
def recorder(database: Database) -> Recorder:
    return Recorder(database)


@pytest.fixture
def queue(recorder: Recorder, settings: Settings) -> Callable[[], str]:
    """Queue one more run of the same config and return its id."""
    return lambda: recorder.queue_run(CONFIG, REQUEST, settings=settings).id
