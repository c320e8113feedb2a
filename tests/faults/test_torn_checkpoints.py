"""Rows 34 and 39 of the fault matrix: a checkpoint that is torn, has a flipped bit, or comes from a newer UTP.

Other damages by name (a missing file, no manifest) stand in core/test_checkpoint.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utp.core.checkpoint import STATE, Checkpoint, CheckpointStore
from utp.core.checkpoint_manifest import MANIFEST
from utp.errors import CheckpointUnreadable

pytestmark = pytest.mark.fault

FILES = ("model.safetensors", "optimizer.safetensors", STATE, MANIFEST)


def commit(store: CheckpointStore, step: int) -> None:
    files = {name: [f"{name} of {step}".encode()] * 9 for name in FILES[:2]}
    store.commit(files, {"step": step}, name=store.name_for(step, 1), step=step, epoch=1)


def content(checkpoint: Checkpoint) -> dict[str, bytes]:
    return {name: (checkpoint.directory / name).read_bytes() for name in FILES[:3]}


@settings(max_examples=60, deadline=None)
@given(file=st.sampled_from(FILES), position=st.floats(0, 1, exclude_max=True), bit=st.none() | st.integers(0, 7))
def test_what_is_read_after_a_tear_or_a_flipped_bit_is_to_the_byte_what_was_committed(
    file: str, position: float, bit: int | None
) -> None:
    with TemporaryDirectory() as folder:
        store = CheckpointStore(Path(folder), attempt=1)
        commit(store, 5)
        commit(store, 10)
        older, newer = store.committed()
        committed = [content(older), content(newer)]
        damaged = newer.directory / file
        whole = damaged.read_bytes()
        index = int(position * len(whole))
        if bit is None:
            damaged.write_bytes(whole[:index])
        else:
            damaged.write_bytes(whole[:index] + bytes([whole[index] ^ 1 << bit]) + whole[index + 1 :])
        try:
            found = store.newest()
        except CheckpointUnreadable:
            assert file == MANIFEST  # its schema's number became a newer one
            return
        assert found is not None
        if file == MANIFEST and index == len(whole) - 1 and bit is None:  # the line's end is no content
            assert content(found) == committed[1]
            return
        assert content(found) == committed[0]
        assert [path.name.startswith(".corrupt-") for path in Path(folder).glob(".*")] == [True]
        assert (file if file != MANIFEST else "manifest") in store.rejected[0]


def test_newer_schema_is_refused_and_no_older_checkpoint_taken_in_its_place(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, attempt=1)
    commit(store, 5)
    commit(store, 10)
    manifest = store.committed()[-1].directory / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema_version": 3}))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointUnreadable, match=r"schema 3, .*update UTP"):
        store.newest()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
