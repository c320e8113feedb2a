"""Single-file weights: whole or not there, and a disk that refuses is told as one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from tests.support.file_size_limit import file_size_limit

from utp.core.checkpoint import Checkpoint, CheckpointStore
from utp.core.weights import write_weights_file


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    store = CheckpointStore(tmp_path, attempt=1)
    state = {"config": {}, "identity": {"classes": ["cat", "dog"]}, "state": {"progress": {"step": 1}}}
    files = {"model.safetensors": [save({"weight": torch.ones(100_000), "bias": torch.zeros(10)})]}
    return store.commit(files, state, name=store.name_for(1, 1), step=1, epoch=1)


def test_file_opens_without_pickled_code(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_weights_file(tmp_path / "best.pt", checkpoint)
    content = torch.load(tmp_path / "best.pt", weights_only=True)
    assert torch.equal(content["model"]["weight"], torch.ones(100_000))
    assert (content["checkpoint"], content["identity"]) == (checkpoint.name, {"classes": ["cat", "dog"]})


@pytest.mark.parametrize("room", [0, 1_000, 399_000, 400_900])
def test_disk_that_is_full_is_an_os_error_and_leaves_the_file_before(
    checkpoint: Checkpoint, tmp_path: Path, room: int
) -> None:
    """At whichever of torch's writes; `Checkpointer` takes it for a failed save, anything else ends the run."""
    path = tmp_path / "best.pt"
    path.write_bytes(b"the one before")
    with file_size_limit(room), pytest.raises(OSError, match=os.strerror(errno.EFBIG)) as caught:
        write_weights_file(path, checkpoint)
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == b"the one before"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["best.pt", checkpoint.name]
