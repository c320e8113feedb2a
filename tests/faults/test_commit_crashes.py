"""A crash at any moment of a save leaves the old checkpoint or the new one: never neither, never a mix.

The file-system calls of one save (checkpoint, best.pt, _best_meta.json) are recorded. For every prefix of them the
directory is built as a power cut might leave it: contents that were not fsynced whole, lost or half there, names that
were not fsynced there or not. Each is then resumed from. The idea is ALICE's (Pillai et al., OSDI 2014).
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support.small_save import NEW, OLD, assert_whole, resume, train_to

pytestmark = pytest.mark.fault


class Call(NamedTuple):
    kind: str  # mkdir, write, fsync_file, fsync_dir, rename
    path: Path
    detail: Any = None


@dataclass
class Recorder:
    """Notes the calls beneath `root`; a file's content is what it holds when it is first fsynced."""

    root: Path
    calls: list[Call] = field(default_factory=list)

    @contextmanager
    def recording(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        with patch.context() as patched:
            patched.setattr(os, "fsync", self._on_fsync(os.fsync))
            patched.setattr(os, "mkdir", self._on("mkdir", os.mkdir))
            patched.setattr(os, "rename", self._on("rename", os.rename))
            patched.setattr(os, "replace", self._on("rename", os.replace))
            yield

    def _on(self, kind: str, function: Callable[..., None]) -> Callable[..., None]:
        def call(path: Any, *arguments: Any, **options: Any) -> None:
            if Path(path).is_relative_to(self.root):
                self.calls.append(Call(kind, Path(path), Path(arguments[0]) if kind == "rename" else None))
            function(path, *arguments, **options)

        return call

    def _on_fsync(self, function: Callable[[int], None]) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path.is_relative_to(self.root) and path.is_dir():
                self.calls.append(Call("fsync_dir", path))
            elif path.is_relative_to(self.root):
                self.calls += [Call("write", path, path.read_bytes()), Call("fsync_file", path)]
            function(descriptor)

        return call


def crashed_tree(calls: list[Call], contents: str, keeps_names: bool, base: Path, target: Path) -> None:
    """Build in `target` what the disk holds when the machine dies after `calls`; `base` is what was there before."""
    shutil.copytree(base, target)
    synced = {call.path for call in calls if call.kind == "fsync_file"}
    for index, call in enumerate(calls):
        later = calls[index + 1 :]
        is_name_safe = any(c.kind == "fsync_dir" and c.path == call.path.parent for c in later)
        if call.kind not in ("mkdir", "write", "rename") or not (keeps_names or is_name_safe):
            continue
        place = target / call.path.relative_to(calls_root(calls))
        if not place.parent.exists():
            continue  # its directory's own name is lost
        if call.kind == "mkdir":
            place.mkdir()
        elif call.kind == "write":
            kept = {"whole": len(call.detail), "lost": 0, "half": len(call.detail) // 2}
            place.write_bytes(call.detail[: len(call.detail) if call.path in synced else kept[contents]])
        elif place.exists():
            place.rename(target / call.detail.relative_to(calls_root(calls)))


def calls_root(calls: list[Call]) -> Path:
    return calls[0].path.parent  # a save begins with the temporary directory, in the run's checkpoint directory


def content_of(tree: Path) -> frozenset[tuple[str, bytes]]:
    return frozenset(
        (str(path.relative_to(tree)), path.read_bytes() if path.is_file() else b"") for path in tree.rglob("*")
    )


@dataclass(frozen=True)
class Recorded:
    base: Path
    final: Path
    calls: list[Call]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("crashes")
    final, base = folder / "checkpoints", folder / "base"
    final.mkdir()
    train_to(final, epochs=1)
    shutil.copytree(final, base)
    recorder = Recorder(final)
    with pytest.MonkeyPatch.context() as patch, recorder.recording(patch):
        train_to(final, epochs=2)
    return Recorded(base, final, recorder.calls)


def test_replaying_all_calls_gives_the_real_directory(recorded: Recorded, tmp_path: Path) -> None:
    """The record is honest: no call that matters is missing from it."""
    crashed_tree(recorded.calls, "lost", keeps_names=False, base=recorded.base, target=tmp_path / "checkpoints")
    for folder, _, files in os.walk(recorded.final):
        for file in files:
            path = Path(folder, file)
            replayed = tmp_path / "checkpoints" / path.relative_to(recorded.final)
            assert replayed.read_bytes() == path.read_bytes()


def test_every_crash_leaves_the_old_checkpoint_or_the_new_one(recorded: Recorded, tmp_path: Path) -> None:
    commit = next(i for i, call in enumerate(recorded.calls) if call.kind == "rename" and call.detail.name == NEW)
    seen, tried = set(), set()
    states = itertools.product(range(1, len(recorded.calls) + 1), ("whole", "lost", "half"), (True, False))
    for number, (length, contents, keeps_names) in enumerate(states):
        tree = tmp_path / str(number) / "checkpoints"
        crashed_tree(recorded.calls[:length], contents, keeps_names, recorded.base, tree)
        if (fingerprint := (length > commit + 1, content_of(tree))) in tried:
            continue  # many ways to crash leave the same behind
        tried.add(fingerprint)
        found, state = resume(tree)
        assert_whole(found, state, recorded.final)
        seen.add(found.name)
        if length <= commit:
            assert found.name == OLD
        elif length > commit + 1:  # the directory's own fsync follows the rename
            assert found.name == NEW
        shutil.rmtree(tree.parent)
    assert seen == {OLD, NEW}
    assert len(tried) > 25
