"""A run that `utp train` made goes into the store, into a file, and out of it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from utp.config.paths import RunPaths
from utp.entrypoints.cli import app
from utp.settings import Settings, get_settings
from utp.store.database import Database
from utp.store.engines import database_url, open_engine
from utp.store.upgrade import upgrade


def utp(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def home(finished_run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("UTP_DATABASE_URL", raising=False)
    monkeypatch.setenv("UTP_HOME", str(tmp_path))
    get_settings.cache_clear()
    database = Database(open_engine(database_url(Settings())))
    upgrade(database)
    database.close()
    return tmp_path


def test_trained_run_is_imported_exported_and_imported_again(home: Path, finished_run: RunPaths) -> None:
    assert utp("run", "import", str(finished_run.run_dir)) == f"imported {finished_run.name}\n"
    first = json.loads(utp("run", "show", finished_run.name, "--json"))
    assert (first["state"], first["epoch"], len(first["checkpoints"]) > 0) == ("succeeded", 2, True)
    archive = home / "run.utp.zip"
    assert "run.utp.zip" in utp("run", "export", finished_run.name, str(archive))
    again = utp("run", "import", str(archive)).split()[1]
    second = json.loads(utp("run", "show", again, "--json"))
    assert second["metrics"] == first["metrics"]
    assert second["config"]["lr"] == first["config"]["lr"]
    assert utp("run", "delete", again, "--yes").endswith(f"deleted {again}\n")


def test_what_is_no_run_is_named(home: Path) -> None:
    assert "there is no nothing.zip" in " ".join(utp("run", "import", "nothing.zip", code=2).split())
