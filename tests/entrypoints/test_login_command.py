"""`utp login-link`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from utp.api.security.credentials import hash_secret
from utp.entrypoints.cli import app
from utp.settings import Settings, get_settings
from utp.store.database import Database, open_database
from utp.store.engines import database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.upgrade import upgrade


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("UTP_HOME", str(tmp_path))
    get_settings.cache_clear()
    database = Database(open_engine(database_url(get_settings())))
    upgrade(database)
    database.close()
    yield get_settings()
    get_settings.cache_clear()


def test_link_signs_the_admin_in_once(settings: Settings) -> None:
    result = CliRunner().invoke(app, ["login-link", "--url", "https://utp.example.org/"])
    assert result.exit_code == 0, result.output
    address, _, code = result.stdout.strip().partition("#code=")
    assert address == "https://utp.example.org/login"
    database = open_database(settings)
    opened = [Recorder(database).open_session(hash_secret(code, settings), session) for session in ("a", "b")]
    database.close()
    assert [one is not None for one in opened] == [True, False]


@pytest.mark.usefixtures("settings")
def test_unknown_user_is_refused_with_the_known() -> None:
    CliRunner().invoke(app, ["login-link"])
    result = CliRunner().invoke(app, ["login-link", "eve"])
    assert result.exit_code == 2
    assert "'eve' is not there; users: admin" in " ".join(result.output.split())
