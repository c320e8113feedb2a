"""A client on a store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from utp.client.local_client import LocalClient
from utp.settings import Settings
from utp.store.database import Database
from utp.store.engines import database_url, open_engine
from utp.store.upgrade import upgrade


@pytest.fixture
def client(tmp_path: Path) -> Iterator[LocalClient]:
    mounts = {"DATASETS_DIR": tmp_path / "datasets", "SHARED_LOGS_DIR": tmp_path / "shared"}
    settings = Settings.model_validate({"UTP_HOME": tmp_path / "home", **mounts})
    database = Database(open_engine(database_url(settings)))
    upgrade(database)
    database.close()
    client = LocalClient(settings)
    yield client
    client.database.close()
