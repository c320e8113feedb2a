"""A real store in a file of its own, for the parts of the head that write to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from utp.settings import Settings
from utp.store.database import Database, open_database
from utp.store.engines import SQLITE_FILE, database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.upgrade import upgrade


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and nothing in them."""
    settings = Settings.model_validate({"UTP_HOME": tmp_path_factory.mktemp("template")})
    database = Database(open_engine(database_url(settings)))
    upgrade(database)
    database.close()
    return settings.home / SQLITE_FILE


@pytest.fixture
def settings(tmp_path: Path, store_template: Path) -> Settings:
    (tmp_path / "home").mkdir()
    shutil.copy(store_template, tmp_path / "home" / SQLITE_FILE)
    mounts = {"DATASETS_DIR": tmp_path / "datasets", "SHARED_LOGS_DIR": tmp_path / "shared"}
    return Settings.model_validate({"UTP_HOME": tmp_path / "home", **mounts})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    yield database
    database.close()


@pytest.fixture
def recorder(database: Database) -> Recorder:
    return Recorder(database)
