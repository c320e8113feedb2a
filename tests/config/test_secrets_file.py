"""Secrets come from a file of their owner's, and a refusal shows none of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from utp.config.secrets_file import export_secrets, read_secrets
from utp.errors import ConfigError


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_lines_are_names_and_values(tmp_path: Path) -> None:
    path = write(tmp_path / "secrets", "# of the team\n\nHF_TOKEN = 'hf_a=b'\nWANDB_API_KEY=12 3\n")
    assert read_secrets(path) == {"HF_TOKEN": "hf_a=b", "WANDB_API_KEY": "12 3"}


def test_they_are_exported_over_what_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "old")
    export_secrets(write(tmp_path / "secrets", "HF_TOKEN=new"))
    assert os.environ["HF_TOKEN"] == "new"
    export_secrets(None)
    assert os.environ["HF_TOKEN"] == "new"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_file_that_others_may_read_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "secrets", "HF_TOKEN=hf_canary", mode)
    with pytest.raises(ConfigError, match=rf"may be read by others \(mode {mode:04o}\); chmod 600 {path}") as refusal:
        read_secrets(path)
    assert "hf_canary" not in str(refusal.value)


@pytest.mark.parametrize("line", ["hf_canary", "=hf_canary", "HF TOKEN=hf_canary"])
def test_line_that_is_none_is_named_by_its_number_alone(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"UTP_SECRETS_FILE: .* line 2 is not NAME=VALUE") as refusal:
        read_secrets(write(tmp_path / "secrets", f"A=b\n{line}\n"))
    assert "hf_canary" not in str(refusal.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read here"):
        read_secrets(tmp_path / "none")
