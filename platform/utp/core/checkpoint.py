"""`CheckpointStore`: committed checkpoints of one run, each a directory that is there whole or not at all.

Commit protocol: write into a hidden temporary directory, fsync every file, write the manifest (names, sizes, hashes,
its own hash) last, fsync, check that this attempt is still the run's newest, rename, fsync the parent. So after a crash
at any point the newest directory with a manifest that verifies is a complete checkpoint. Orbax and etcd commit the same
way.
"""

from __future__ import annotations

import itertools
import json
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utp.core.checkpoint_manifest import (
    MANIFEST,
    SCHEMA_VERSION,
    CheckpointManifest,
    ManifestUnreadable,
    find_fault,
    newer_schema,
    read_manifest,
)
from utp.core.durable import fsync_directory, json_bytes, rename_durably, write_hashed
from utp.errors import CheckpointUnreadable

STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """One committed checkpoint."""

    directory: Path
    step: int
    epoch: int
    sequence: int

    @property
    def name(self) -> str:
        """Name of its directory, `epoch_007-step_001234`."""
        return self.directory.name

    def read_state(self) -> dict[str, Any]:
        """Return the content of `state.json`."""
        state: dict[str, Any] = json.loads((self.directory / STATE).read_bytes())
        return state


class CheckpointStore:
    """Committed checkpoints of a run, below its checkpoint directory.

    Args:
        directory: the run's checkpoint directory; has to exist.
        attempt: number of the attempt that writes.
        check_fence: raises `AttemptSuperseded` when a later attempt has taken over; called just before each commit.
    """

    def __init__(self, directory: Path, attempt: int, check_fence: Callable[[], None] = lambda: None) -> None:
        self.directory = directory
        self.attempt = attempt
        self._check_fence = check_fence
        self.rejected: list[str] = []
        """Sentences on checkpoints that did not verify and were set aside."""

    def commit(
        self,
        files: Mapping[str, Iterable[bytes | memoryview]],
        state: Mapping[str, Any],
        *,
        name: str,
        step: int,
        epoch: int,
    ) -> Checkpoint:
        """Write and commit one checkpoint.

        Args:
            files: content of each file by its name, in pieces that are taken once, one after the other.
            state: content of `state.json`.
            name: what `name_for` gave for this step.
            step: optimizer steps done.
            epoch: epoch that the step belongs to, from 1.

        Raises:
            OSError: nothing was committed and the temporary directory is gone; older checkpoints are as they were.
            AttemptSuperseded: the same, since a later attempt has taken over.
        """
        temporary = self.directory / f".tmp-{self.attempt}-{step}-{secrets.token_hex(4)}"
        temporary.mkdir()
        try:
            content = {**files, STATE: [json_bytes(state)]}
            written = tuple(write_hashed(temporary / file_name, pieces) for file_name, pieces in content.items())
            sequence = max((checkpoint.sequence for checkpoint in self.committed()), default=0) + 1
            CheckpointManifest(self.attempt, sequence, step, epoch, written).write(temporary)
            fsync_directory(temporary)
            self._check_fence()
            rename_durably(temporary, self.directory / name)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return Checkpoint(self.directory / name, step, epoch, sequence)

    def name_for(self, step: int, epoch: int) -> str:
        """Return the directory name that a checkpoint of this step takes; a second one of the same step gets `-2`.

        The same step is committed twice when a run stops during the evaluation at an epoch's end and is resumed.
        """
        name = f"epoch_{epoch:03d}-step_{step:06d}"
        candidates = (name if k == 1 else f"{name}-{k}" for k in itertools.count(1))
        return next(candidate for candidate in candidates if not (self.directory / candidate).exists())

    def committed(self) -> list[Checkpoint]:
        """Return the committed checkpoints, oldest first; reads the manifests, verifies nothing."""
        found = []
        for path in self.directory.glob("epoch_*-step_*/" + MANIFEST):
            try:
                manifest = read_manifest(path.parent)
            except ManifestUnreadable:
                continue  # `newest` reports and sets aside what can't be read
            found.append(Checkpoint(path.parent, manifest.step, manifest.epoch, manifest.sequence))
        return sorted(found, key=lambda checkpoint: checkpoint.sequence)

    def get(self, name: str) -> Checkpoint | None:
        """Return the checkpoint of that name if it is there and verifies."""
        found = next((checkpoint for checkpoint in self.committed() if checkpoint.name == name), None)
        return found if found and find_fault(found.directory) is None else None

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that verifies by size and hash; None if the run has none yet.

        What does not verify is renamed to `.corrupt-*`, reported in `rejected`, and the one before it is taken.

        Raises:
            CheckpointUnreadable: there are checkpoints, and none verifies; or a newer UTP wrote them.
        """
        directories = {path for path in self.directory.glob("epoch_*-step_*") if path.is_dir()}
        self._refuse_newer_schema(directories)
        readable = self.committed()
        unreadable = directories - {checkpoint.directory for checkpoint in readable}
        reasons = [self._set_aside(path, find_fault(path) or "it can't be read") for path in sorted(unreadable)]
        for checkpoint in reversed(readable):
            fault = find_fault(checkpoint.directory)
            if fault is None:
                self.rejected.extend(reasons)
                return checkpoint
            reasons.append(self._set_aside(checkpoint.directory, fault))
        corrupt = [path.name for path in sorted(self.directory.glob(".corrupt-*"))]
        if reasons or corrupt:
            raise CheckpointUnreadable(str(self.directory), tuple(reasons or corrupt))
        return None

    def _refuse_newer_schema(self, directories: Iterable[Path]) -> None:
        for directory in sorted(directories):
            version = newer_schema(directory)
            if version is not None:
                reason = f"{directory.name} has schema {version}, this UTP reads up to {SCHEMA_VERSION}: update UTP"
                raise CheckpointUnreadable(str(self.directory), (reason,))

    def _set_aside(self, directory: Path, fault: str) -> str:
        target = directory.with_name(f".corrupt-{directory.name}-{secrets.token_hex(2)}")
        rename_durably(directory, target)
        return f"checkpoint {directory.name} is set aside as {target.name}: {fault}"

    def prune(self, keep_last: int, keep: Collection[str]) -> None:
        """Delete all but the newest `keep_last` checkpoints and those named in `keep`; and dead attempts' leftovers."""
        for checkpoint in self.committed()[:-keep_last]:
            if checkpoint.name not in keep:
                # Out of the way under one rename first: a crash in the middle of a deletion leaves no half checkpoint.
                doomed = checkpoint.directory.with_name(f".tmp-pruned-{checkpoint.name}")
                checkpoint.directory.rename(doomed)
                shutil.rmtree(doomed, ignore_errors=True)
        self.remove_leftovers()

    def remove_leftovers(self) -> None:
        """Delete what attempts before this one left half-written."""
        for path in self.directory.glob(".tmp-*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.directory.glob(".*.tmp-*"):  # of single files, as `replacing` names them
            path.unlink(missing_ok=True)
