"""Files are replaced whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from utp.core.durable import replacing, write_bytes_durably, write_json_durably


def test_failed_write_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes_durably(path, b"old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_refuses_nan_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json_durably(path, {"loss": 1.5})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json_durably(path, {"loss": float("nan")})
    assert json.loads(path.read_text()) == {"loss": 1.5}


def test_name_that_is_no_text_is_valid_json_and_reads_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    write_json_durably(tmp_path / "names.json", [name, "café"])
    content = (tmp_path / "names.json").read_bytes()
    assert "café".encode() in content
    assert json.loads(content.decode()) == [name, "café"]
