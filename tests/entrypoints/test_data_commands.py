"""`utp data`: what it prints, its exit codes, and one clean line on stderr where it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from utp.entrypoints.cli import app
from utp.settings import get_settings


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTP_CACHE_DIR", str(tmp_path / "cache"))
    get_settings.cache_clear()


def utp(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_digits_are_written_once_and_pass_the_check(tmp_path: Path) -> None:
    first = utp("data", "sample", "digits", tmp_path / "digits")
    assert first.exit_code == 0
    assert "now holds 1797 handwritten digits: 1259 train, 269 val, 269 test" in first.stdout
    second = utp("data", "sample", "digits", tmp_path / "digits")
    assert second.exit_code == 0
    assert "already holds 1797" in second.stdout
    check = utp("data", "check", tmp_path / "digits")
    assert check.exit_code == 0
    assert "every image decodes" in check.stdout
    assert "width: 8 to 8 pixels" in check.stdout


def test_problems_give_exit_code_1_and_the_file(tmp_path: Path) -> None:
    utp("data", "sample", "digits", tmp_path / "digits")
    broken = sorted((tmp_path / "digits" / "train" / "3").iterdir())[0]
    broken.write_bytes(b"")
    result = utp("data", "check", tmp_path / "digits")
    assert result.exit_code == 1
    assert f"train/3/{broken.name}: the file is empty" in result.stdout
    as_json = utp("data", "check", tmp_path / "digits", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["corrupt"] == [{"path": f"train/3/{broken.name}", "reason": "the file is empty"}]


def test_unusable_root_gives_exit_code_2_and_one_line(tmp_path: Path) -> None:
    result = utp("data", "check", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: dataset ")
    assert result.stderr.count("\n") == 1


def test_folder_with_something_else_gives_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = utp("data", "sample", "digits", tmp_path)
    assert result.exit_code == 2
    assert "holds something else" in result.stderr


def test_help_imports_no_torch() -> None:
    code = "import sys, utp.entrypoints.data_commands; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode
        == 0
    )
