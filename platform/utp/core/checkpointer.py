"""`Checkpointer`: how a run saves, what is kept, and what a failing disk does to it.

Training waits while its state is copied within memory; hashing, writing and fsync are done by one writer thread.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
from safetensors.torch import load_file
from torch import Tensor, nn

from utp.config.loading import dump_config
from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import Checkpoint, CheckpointStore
from utp.core.disk_space import check_room, describe_shortage, num_bytes
from utp.core.distributed import is_first_rank, on_first_rank
from utp.core.host_buffers import HostBuffers
from utp.core.state import EMA_FILE, MODEL_FILE, Best, Progress, TrainState
from utp.core.tensor_file import tensor_pieces
from utp.core.weights import derive_best, evaluated_weights, repair_best, write_weights_file
from utp.errors import ModelDiverged, ResumeRefused, StorageFailed

MAX_FAILURES = 3
"""Commits in a row that may fail before the run does."""


@dataclass(frozen=True)
class Saved:
    """How a save ended: the name it was to have, and the checkpoint, or none where the disk refused."""

    name: str
    checkpoint: Checkpoint | None


class SaveAbandoned(Exception):
    """Ends a commit that nobody waits for any more."""


class Checkpointer:
    """Saves and restores the state of one run. A context: on leaving it no commit is under way any more.

    With several workers rank 0 writes and chooses what to read; the others read what it chose, on a path that all see.

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
        self._buffers = HostBuffers()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._under_way: tuple[str, Future[_Committed]] | None = None
        self._is_abandoned = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the commit under way, or give it up where the process is to end at once (`KeyboardInterrupt`)."""
        if kind is not None and not issubclass(kind, Exception):
            self._is_abandoned.set()
        self._writer.shutdown(wait=True)
        if self._under_way is None:
            return
        name, future = self._under_way
        failure = future.exception()
        ending = "committed" if failure is None else f"not committed: {failure}"
        self._note(f"checkpoint {name}, under way as training ended, was {ending}")

    def newest(self) -> Checkpoint | None:
        """Return the checkpoint to resume from; None for a run without one. Raises `CheckpointUnreadable`."""
        checkpoint = on_first_rank(self._store.newest)
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
        if not is_first_rank():
            return
        self._store.remove_leftovers()
        self._derive(checkpoint, state.progress, repair_only=True)

    def note_shortage(self, state: TrainState) -> None:
        """Note where the disk won't take the checkpoints that this run is to keep; only rank 0 does."""
        if not is_first_rank():
            return
        num_there = len(self._store.committed())
        sentence = describe_shortage(self.paths.checkpoint_dir, state, self._config.keep_last, num_there)
        if sentence is not None:
            self._note(sentence)

    def load_weights(self, model: nn.Module, checkpoint: Checkpoint) -> None:
        """Load the weights that were evaluated into `model`."""
        model.load_state_dict(load_file(evaluated_weights(checkpoint)), strict=True)

    def name_for(self, state: TrainState) -> str:
        """Return the name that a checkpoint of the present state takes."""
        return self._store.name_for(state.progress.step, _epoch_label(state.progress))

    def save(self, state: TrainState, extra: Mapping[str, Any]) -> None:
        """Copy the state and begin to commit the copy; `finish` tells how it ended, and has to before the next save.

        Only rank 0 does.
        """
        if not is_first_rank():
            return
        assert self._under_way is None, "one commit at a time: the buffers are the last one's until it is done"
        name = self.name_for(state)
        content = {
            "config": dump_config(self._config),
            "identity": self._identity,
            "state": state.to_json(),
            **extra,
        }
        files = self._buffers.copy(state.tensors())
        learnt = frozenset(key for key, _ in state.model.named_parameters())
        future = self._writer.submit(self._commit, files, content, name, replace(state.progress), learnt)
        self._under_way = name, future

    def finish(self, *, wait: bool) -> Saved | None:
        """Return how the save under way ended; None if there is none, or if it goes on and nobody is to wait.

        Where the disk refused, the run goes on: older checkpoints are as they were.

        Raises:
            StorageFailed: for the third time in a row.
            AttemptSuperseded: a later attempt has taken over.
            ModelDiverged: the weights are not finite; nothing was committed.
        """
        if self._under_way is None or not (wait or self._under_way[1].done()):
            return None
        name, future = self._under_way
        try:
            committed = future.result()
        except OSError as error:
            return self.refuse(name, error)
        finally:
            if future.done():  # not where Ctrl-C cut the waiting short
                self._under_way = None
        self._failures = 0
        for sentence in committed.notes:
            self._note(sentence)
        return Saved(name, committed.checkpoint)

    def refuse(self, name: str, error: OSError) -> Saved:
        """Count a save that the disk refused, also before its commit. Raises `StorageFailed` for the third in a row."""
        self._record_failure(name, error)
        return Saved(name, None)

    def _commit(
        self,
        files: Mapping[str, Mapping[str, Tensor]],
        content: Mapping[str, Any],
        name: str,
        progress: Progress,
        learnt: Collection[str],
    ) -> _Committed:
        """Commit, refresh what derives from it, prune; in the writer thread, so notes are handed back."""
        _refuse_diverged({key: files[MODEL_FILE][key] for key in learnt}, progress.step)
        check_room(self.paths.checkpoint_dir, self._num_bytes(files, name, progress))
        pieces = {file: self._pieces(tensors) for file, tensors in files.items()}
        epoch = _epoch_label(progress)
        checkpoint = self._store.commit(pieces, content, name=name, step=progress.step, epoch=epoch)
        self._derive(checkpoint, progress)
        return _Committed(checkpoint, self._prune(progress.best))

    def _num_bytes(self, files: Mapping[str, Mapping[str, Tensor]], name: str, progress: Progress) -> int:
        """Return what a save writes: the checkpoint, and the weights once more for each file derived from it."""
        is_best = progress.best is not None and progress.best.checkpoint == name
        weights = num_bytes(files.get(EMA_FILE, files[MODEL_FILE]).values())
        return sum(num_bytes(tensors.values()) for tensors in files.values()) + weights * (
            is_best + self._has_epoch_file(progress)
        )

    def _pieces(self, tensors: Mapping[str, Tensor]) -> Iterator[memoryview]:
        for piece in tensor_pieces(tensors):
            if self._is_abandoned.is_set():
                raise SaveAbandoned("the process is to end at once")
            yield piece

    def best(self, best: Best | None) -> Checkpoint | None:
        """Return the committed checkpoint with the best weights, if it is there and verifies; rank 0's on all ranks."""
        return on_first_rank(lambda: self._store.get(best.checkpoint) if best else None)

    def _derive(self, checkpoint: Checkpoint, progress: Progress, *, repair_only: bool = False) -> None:
        best = progress.best
        if best is not None and repair_only:
            holder = checkpoint if best.checkpoint == checkpoint.name else self._store.get(best.checkpoint)
            if holder is not None and repair_best(self.paths, holder, best):
                self._note(f"best.pt was rebuilt from {holder.name}")
        elif best is not None and best.checkpoint == checkpoint.name:
            derive_best(self.paths, checkpoint, best)
        if self._has_epoch_file(progress):
            path = self.paths.epoch_weights(progress.epoch)
            if not (repair_only and path.exists()):
                write_weights_file(path, checkpoint)

    def _has_epoch_file(self, progress: Progress) -> bool:
        return self._config.save_per_epoch_checkpoint and progress.batch == 0 and progress.epoch > 0

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

    def _prune(self, best: Best | None) -> tuple[str, ...]:
        try:
            self._store.prune(self._config.keep_last, {best.checkpoint} if best else set())
        except OSError as error:
            return (f"old checkpoints could not be deleted: {error}",)
        return ()


def _refuse_diverged(weights: Mapping[str, Tensor], step: int) -> None:
    """Raise `ModelDiverged` for weights that are not finite: a run can't be resumed from them.

    The loss tells of them in the step that comes, and that is after this save. numpy brings no threads of its own.
    """
    for name, weight in weights.items():
        values = weight.float().numpy()
        if values.size and not (np.isfinite(values.min()) and np.isfinite(values.max())):  # a NaN is passed on
            raise ModelDiverged(f"{name} after step {step} is")


@dataclass(frozen=True)
class _Committed:
    checkpoint: Checkpoint
    notes: tuple[str, ...]


def _epoch_label(progress: Progress) -> int:
    """Epoch that the last step belongs to, from 1."""
    at_boundary = progress.batch == 0 and progress.epoch > 0
    return progress.epoch if at_boundary else progress.epoch + 1


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
