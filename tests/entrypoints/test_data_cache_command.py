"""`utp data cache`: what decoded pictures take, and how to be rid of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from utp.entrypoints.data_commands import app
from utp.settings import get_settings


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("UTP_CACHE_DIR", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def test_no_cache_is_no_error() -> None:
    result = CliRunner().invoke(app, ["cache"])
    assert result.exit_code == 0
    assert "0 caches, 0 bytes held" in result.output


def test_caches_are_listed_then_cleared_with_what_a_killed_process_left(cache_dir: Path) -> None:
    (cache_dir / "decoded").mkdir()
    for name in ("aa.pixels", ".bb.pixels.tmp-00"):
        (cache_dir / "decoded" / name).write_bytes(bytes(600))
    (cache_dir / "decoded" / "aa.lock").touch()
    assert "2 caches, 1,200 bytes held" in CliRunner().invoke(app, ["cache"]).output
    assert "2 caches, 1,200 bytes deleted" in CliRunner().invoke(app, ["cache", "--clear"]).output
    assert [path.name for path in (cache_dir / "decoded").iterdir()] == ["aa.lock"]
