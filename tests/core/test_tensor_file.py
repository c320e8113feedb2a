"""What is written piece by piece is, to the byte, the file that the library writes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from utp.core.durable import WrittenFile, write_hashed
from utp.core.tensor_file import DTYPE_NAMES, PIECE_BYTES, tensor_pieces

EDGES = {
    "none": {},
    "scalar and empty": {"step": torch.tensor(3.0), "empty": torch.zeros(0, 4), "b": torch.arange(5)},
    "odd names": {'é"\n\\': torch.ones(2), "日本.weight": torch.ones(3), "": torch.ones(1)},
    "all types": {f"{dtype} {k}": torch.ones(3, dtype=dtype) for dtype in DTYPE_NAMES for k in "ba"},
    "large and small": {
        f"{size}": torch.arange(size, dtype=torch.float32) for size in (5, PIECE_BYTES // 3, PIECE_BYTES // 17, 7)
    },
}


@pytest.mark.parametrize("tensors", EDGES.values(), ids=EDGES.keys())
def test_bytes_are_those_of_the_library(tensors: dict[str, torch.Tensor]) -> None:
    written = b"".join(tensor_pieces(tensors))
    assert written == save(tensors)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in load(written).items())


def test_small_tensors_share_a_piece_and_large_ones_are_not_copied() -> None:
    small = {f"{k}": torch.full((100,), k) for k in range(200)}
    assert len(list(tensor_pieces(small))) == 1
    large = torch.zeros(PIECE_BYTES)
    *_, piece = tensor_pieces({"large": large})
    large.fill_(1.0)
    assert bytes(piece[:4]) == bytes(torch.ones(1).numpy())


def test_written_file_is_described_as_it_lies_on_disk(tmp_path: Path) -> None:
    pieces = [b"one", memoryview(b"two" * 1000), b""]
    written = write_hashed(tmp_path / "file", pieces)
    content = (tmp_path / "file").read_bytes()
    assert content == b"".join(pieces)
    assert written == WrittenFile("file", len(content), hashlib.sha256(content).hexdigest())


def test_write_that_the_kernel_cuts_short_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    write_hashed(tmp_path / "file", [bytes(range(100))])
    assert (tmp_path / "file").read_bytes() == bytes(range(100))


def test_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_hashed(tmp_path / "file", [b"x"])
    assert not (tmp_path / "elsewhere").exists()
