"""`Checkpointer`: when a run saves, what is kept, and what a failing disk does to it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import Any

from safetensors.torch import load_file
from torch import nn

from utp.config.loading import dump_config
from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import Checkpoint, CheckpointStore
from utp.core.state import Best, TrainState
from utp.core.weights import derive_best, evaluated_weights, repair_best, write_weights_file
from utp.errors import ResumeRefused, StorageFailed

MAX_FAILURES = 3
"""Commits in a row that may fail before the run does."""


class Checkpointer:
    """Saves and restores the state of one run.

    Args:
        config: what is trained; saved along.
        identity: what a resumed run must agree on (label map, data fingerprint).
        paths: where the run's files are.
        store: where its checkpoints are committed.
        note: takes sentences for the run's log.
    """

    def __init__(
        self,
        config: TrainConfig,
        identity: Mapping[str, Any],
        paths: RunPaths,
        store: CheckpointStore,
        note: Callable[[str], None],
    ) -> None:
        self._config = config
        self._identity = dict(identity)
        self.paths = paths
        self._store = store
        self._note = note
        self._failures = 0

    def newest(self) -> Checkpoint | None:
        """Return the checkpoint to resume from; None for a run without one. Raises `CheckpointUnreadable`."""
        checkpoint = self._store.newest()
        for sentence in self._store.rejected:
            self._note(sentence)
        return checkpoint

    def restore(self, state: TrainState, checkpoint: Checkpoint) -> None:
        """Load a checkpoint into `state`, and mend the files derived from it.

        Raises:
            ResumeRefused: the dataset or the label map is not that of the checkpoint.
        """
        saved = checkpoint.read_state()
        for key, value in self._identity.items():
            if saved["identity"].get(key) != value:
                reason = f"{key} was {_short(saved['identity'].get(key))} and is {_short(value)} now"
                raise ResumeRefused(self.paths.name, f"{reason}; put the dataset back as it was, or start a new run")
        state.restore(checkpoint.directory, saved["state"])
        self._store.remove_leftovers()
        self._derive(checkpoint, state, repair_only=True)

    def load_weights(self, model: nn.Module, checkpoint: Checkpoint) -> None:
        """Load the weights that were evaluated into `model`."""
        model.load_state_dict(load_file(evaluated_weights(checkpoint)), strict=True)

    def name_for(self, state: TrainState) -> str:
        """Return the name that a checkpoint of the present state takes."""
        return self._store.name_for(state.progress.step, _epoch_label(state))

    def save(self, state: TrainState, extra: Mapping[str, Any]) -> Checkpoint | None:
        """Commit the state, refresh what derives from it, prune. None where the disk refused: the run goes on.

        Raises:
            StorageFailed: for the third time in a row.
        """
        name = self.name_for(state)
        content = {
            "config": dump_config(self._config),
            "identity": self._identity,
            "state": state.to_json(),
            **extra,
        }
        try:
            checkpoint = self._store.commit(
                state.file_writers(), content, name=name, step=state.progress.step, epoch=_epoch_label(state)
            )
            self._derive(checkpoint, state)
        except OSError as error:
            self._record_failure(name, error)
            return None
        self._failures = 0
        self._prune(state.progress.best)
        return checkpoint

    def best(self, best: Best) -> Checkpoint | None:
        """Return the committed checkpoint with the best weights, if it is there and verifies."""
        return self._store.get(best.checkpoint)

    def _derive(self, checkpoint: Checkpoint, state: TrainState, *, repair_only: bool = False) -> None:
        best = state.progress.best
        if best is not None and (holder := checkpoint if best.checkpoint == checkpoint.name else self.best(best)):
            if repair_only and repair_best(self.paths, holder, best):
                self._note(f"best.pt was rebuilt from {holder.name}")
            elif not repair_only and holder is checkpoint:
                derive_best(self.paths, holder, best)
        if self._config.save_per_epoch_checkpoint and state.progress.batch == 0 and state.progress.epoch > 0:
            path = self.paths.epoch_weights(state.progress.epoch)
            if not (repair_only and path.exists()):
                write_weights_file(path, checkpoint)

    def _record_failure(self, name: str, error: OSError) -> None:
        self._failures += 1
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        if self._failures >= MAX_FAILURES:
            raise StorageFailed(str(self.paths.checkpoint_dir), str(error), is_full) from error
        self._note(
            f"checkpoint {name} was not written ({error}); earlier ones are intact and training goes on. "
            f"{'Free some space' if is_full else 'Check the storage'} of {self.paths.checkpoint_dir}: "
            f"after {MAX_FAILURES} failures in a row the run stops"
        )

    def _prune(self, best: Best | None) -> None:
        try:
            self._store.prune(self._config.keep_last, {best.checkpoint} if best else set())
        except OSError as error:
            self._note(f"old checkpoints could not be deleted: {error}")


def _epoch_label(state: TrainState) -> int:
    """Epoch that the last step belongs to, from 1."""
    at_boundary = state.progress.batch == 0 and state.progress.epoch > 0
    return state.progress.epoch if at_boundary else state.progress.epoch + 1


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
