"""Commit protocol: what is found after damage, crashes and failing disks is the old checkpoint or the new one."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from utp.core.checkpoint import CheckpointStore
from utp.core.checkpoint_manifest import MANIFEST, find_fault
from utp.core.state import Meters, TrainState
from utp.errors import AttemptSuperseded, CheckpointUnreadable


def files(content: bytes) -> dict[str, list[bytes]]:
    return {"model.safetensors": [content], "optimizer.safetensors": [b"o"]}


def commit(store: CheckpointStore, step: int, content: bytes = b"weights") -> None:
    name = store.name_for(step, epoch=1)
    store.commit(files(content), {"step": step}, name=name, step=step, epoch=1)


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path, attempt=1)


def test_fresh_run_has_no_checkpoint(store: CheckpointStore) -> None:
    assert store.newest() is None


def test_newest_is_the_last_committed_and_carries_its_state(store: CheckpointStore) -> None:
    commit(store, 5)
    commit(store, 10)
    newest = store.newest()
    assert newest is not None
    assert (newest.name, newest.read_state()) == ("epoch_001-step_000010", {"step": 10})


def test_second_checkpoint_of_a_step_gets_a_name_of_its_own_and_is_the_newest(store: CheckpointStore) -> None:
    commit(store, 5, b"one")
    commit(store, 5, b"two")
    newest = store.newest()
    assert newest is not None
    assert newest.name == "epoch_001-step_000005-2"


def damage_truncate(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 3)


def damage_flip_bit(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[2] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def damage_remove(folder: Path) -> None:
    (folder / "optimizer.safetensors").unlink()


def damage_tear_manifest(folder: Path) -> None:
    os.truncate(folder / MANIFEST, 20)


def damage_remove_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


DAMAGES = [damage_truncate, damage_flip_bit, damage_remove, damage_tear_manifest, damage_remove_manifest]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoint_is_set_aside_by_name_and_the_one_before_is_used(
    store: CheckpointStore, damage: Callable[[Path], None]
) -> None:
    commit(store, 5)
    commit(store, 10)
    damage(store.directory / "epoch_001-step_000010")
    newest = store.newest()
    assert newest is not None
    assert newest.step == 5
    assert len(store.rejected) == 1
    assert store.rejected[0].startswith("checkpoint epoch_001-step_000010 is set aside as .corrupt-")
    assert len(hidden(store.directory)) == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_run_whose_only_checkpoint_is_damaged_never_starts_over_silently(
    store: CheckpointStore, damage: Callable[[Path], None]
) -> None:
    commit(store, 5)
    damage(store.directory / "epoch_001-step_000005")
    for _ in range(2):  # the second look finds only what the first one has set aside
        with pytest.raises(CheckpointUnreadable, match="epoch_001-step_000005"):
            store.newest()


def test_checkpoint_of_a_newer_utp_is_refused_and_left_alone(store: CheckpointStore) -> None:
    commit(store, 5)
    manifest_path = store.directory / "epoch_001-step_000005" / MANIFEST
    manifest_path.write_text(json.dumps({**json.loads(manifest_path.read_text()), "schema_version": 99}))
    with pytest.raises(CheckpointUnreadable, match="schema 99, this UTP reads up to 2: update UTP"):
        store.newest()
    assert manifest_path.exists()


def test_altered_manifest_is_set_aside_whatever_it_says_now(store: CheckpointStore) -> None:
    commit(store, 5)
    commit(store, 10)
    path = store.directory / "epoch_001-step_000010" / MANIFEST
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "sequence": 0}))  # it would be the older one, and all its files verify
    newest = store.newest()
    assert newest is not None
    assert newest.step == 5
    assert store.rejected[0].endswith("its manifest can't be read (its content has changed)")


def test_manifest_without_a_hash_of_itself_verifies_only_under_the_schema_that_had_none(store: CheckpointStore) -> None:
    commit(store, 5)
    path = store.directory / "epoch_001-step_000005" / MANIFEST
    content = {key: value for key, value in json.loads(path.read_text()).items() if key != "sha256"}
    path.write_text(json.dumps(content))
    assert find_fault(path.parent) == "its manifest can't be read (its content has changed)"
    path.write_text(json.dumps({**content, "schema_version": 1}))
    assert find_fault(path.parent) is None


GOLDEN = Path(__file__).parent / "golden"


def test_checkpoint_of_schema_1_is_resumed_from(tmp_path: Path) -> None:
    """Written by the first release: `Linear(3, 2)` after two steps of AdamW."""
    shutil.copytree(GOLDEN / "checkpoint_schema_1", tmp_path, dirs_exist_ok=True)
    store = CheckpointStore(tmp_path, attempt=2)
    newest = store.newest()
    assert newest is not None
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    state = TrainState(model, optimizer, Meters(("loss",), torch.device("cpu")))
    state.restore(newest.directory, newest.read_state()["state"])
    assert (state.progress.step, state.progress.epoch, state.progress.samples_seen) == (2, 2, 8)
    assert model.weight[0].tolist() == [0.014815520495176315, 0.3287910521030426, -0.45595312118530273]
    assert float(optimizer.state[model.weight]["step"]) == 2.0
    commit(store, 3)  # the run goes on in the present schema, beside the old checkpoint
    assert [checkpoint.sequence for checkpoint in store.committed()] == [2, 3]


def test_superseded_attempt_commits_nothing(tmp_path: Path) -> None:
    def refuse() -> None:
        raise AttemptSuperseded("run", 1, 2)

    with pytest.raises(AttemptSuperseded):
        commit(CheckpointStore(tmp_path, 1, refuse), 5)
    assert list(tmp_path.iterdir()) == []


def test_prune_keeps_the_newest_and_the_named_and_removes_leftovers(store: CheckpointStore) -> None:
    for step in range(1, 6):
        commit(store, step)
    (store.directory / ".tmp-1-9-dead").mkdir()
    store.prune(keep_last=2, keep={"epoch_001-step_000001"})
    assert [checkpoint.step for checkpoint in store.committed()] == [1, 4, 5]
    assert hidden(store.directory) == []


class DiskFailure:
    """Lets `healthy_calls` calls of a file-system function through, then raises."""

    def __init__(self, function: Callable[..., Any], healthy_calls: int, error_number: int) -> None:
        self.function, self.healthy_calls, self.error_number = function, healthy_calls, error_number

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if self.healthy_calls == 0:
            raise OSError(self.error_number, os.strerror(self.error_number))
        self.healthy_calls -= 1
        return self.function(*arguments, **options)


CALLS_OF_ONE_COMMIT = {"mkdir": 1, "write": 4, "fsync": 6, "rename": 1}
"""Two files, the state and the manifest; then the directory and, after the rename, the one above."""


@pytest.mark.parametrize(
    ("call", "healthy_calls"), [(call, n) for call, count in CALLS_OF_ONE_COMMIT.items() for n in range(count)]
)
@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EIO])
def test_disk_that_fails_at_any_call_leaves_the_old_checkpoint_and_no_litter(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, call: str, healthy_calls: int, error_number: int
) -> None:
    commit(store, 5)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, DiskFailure(getattr(os, call), healthy_calls, error_number))
        with pytest.raises(OSError, match=re.escape(os.strerror(error_number))):
            commit(store, 10)
    newest = store.newest()
    assert newest is not None
    is_renamed = (call, healthy_calls) == ("fsync", 5)
    assert newest.step == (10 if is_renamed else 5)
    assert hidden(store.directory) == []
    commit(store, 10)  # the disk is well again
    newest = store.newest()
    assert newest is not None
    assert newest.step == 10
    assert find_fault(newest.directory) is None


def test_commit_makes_no_call_that_the_test_above_does_not_break(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = {call: DiskFailure(getattr(os, call), 1000, errno.EIO) for call in CALLS_OF_ONE_COMMIT}
    for call, counter in counted.items():
        monkeypatch.setattr(os, call, counter)
    commit(store, 5)
    assert {call: 1000 - counter.healthy_calls for call, counter in counted.items()} == CALLS_OF_ONE_COMMIT
