"""Batches for training and evaluation, the same bit for bit with any number of loader processes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import random
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from utp.core.data.dataset import ImageBatch, ImageFiles, Key, Transform
from utp.core.data.decoded_cache import DecodedCache
from utp.core.data.manifest import Sample
from utp.core.data.order import balanced_keys, shuffled_keys
from utp.core.data.shares import in_rounds, largest_share, share_of, train_shares
from utp.core.data.worker_server import start_worker_server
from utp.errors import DataLoaderWorkerDied, UtpError

__all__ = ["EvalBatches", "ImageBatch", "TrainBatches"]

DEATH_SHOWS_S = 10.0
"""From a connection that broke to the word that a loader process died; without a death an error is raised as late."""

OnCorrupt = Callable[[Sequence[tuple[str, str]]], None]
"""Told (path, reason) of files that could not be read and are left out; raises where they are too many."""


class _Plan(Sampler[list[Key]]):
    """The keys of the batches to load next; set anew for each pass, so that persistent processes need no state."""

    def __init__(self) -> None:
        self.keys: Sequence[Key] = ()
        self.batch_sizes: Sequence[int] = ()

    def __iter__(self) -> Iterator[list[Key]]:
        start = 0
        for size in self.batch_sizes:
            yield list(self.keys[start : start + size])
            start += size


class _Loader:
    """A `DataLoader` over keys, which raises our errors and leaves the caller's random numbers alone."""

    def __init__(
        self,
        dataset: ImageFiles,
        *,
        num_workers: int,
        prefetch_factor: int | None,
        persistent_workers: bool | None,
        pin_memory: bool | None,
        on_corrupt: OnCorrupt | None,
    ) -> None:
        self._on_corrupt = on_corrupt
        self._plan = _Plan()
        has_cuda = torch.cuda.is_available()
        self._loader: DataLoader[ImageBatch] | None = DataLoader(
            dataset,
            batch_sampler=self._plan,
            collate_fn=_as_loaded,
            num_workers=num_workers,
            prefetch_factor=(prefetch_factor or 2) if num_workers else None,
            persistent_workers=num_workers > 0 and persistent_workers is not False,
            pin_memory=has_cuda and pin_memory is not False,
            worker_init_fn=_prepare_worker,
            multiprocessing_context=start_worker_server() if num_workers else None,
            generator=torch.Generator(),  # or it draws from the caller's
        )

    def load(self, keys: Sequence[Key], batch_sizes: Sequence[int]) -> Iterator[ImageBatch]:
        """Yield the batches; one pass at a time."""
        assert self._loader is not None, "load after close"
        self._plan.keys, self._plan.batch_sizes = keys, batch_sizes
        batches = iter(self._loader)
        draws_here = self._loader.num_workers == 0
        for _ in batch_sizes:
            with _callers_random_state() if draws_here else nullcontext():
                batch = _next(batches)
            if isinstance(batch, UtpError):
                raise batch
            if self._on_corrupt and batch.corrupt:
                self._on_corrupt(batch.corrupt)
            if len(batch.labels):
                yield batch

    def close(self) -> None:
        """End the loader processes."""
        self._loader = None


class TrainBatches:
    """Shuffled or balanced, augmented batches; every pixel is a function of (seed, epoch, index).

    With several workers each yields its part of every batch: the batches as a whole are those of one worker.
    With a `cache`, pixels come from there, the same in every process too.
    With `on_corrupt`, the next readable image of the same class stands for one that can't be decoded.
    A last batch of one image is dropped where it is not the only one: batch norm has no variance over one value.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        root: Path,
        transform: Transform,
        *,
        batch_size: int,
        seed: int,
        is_balanced: bool = False,
        num_workers: int = 0,
        prefetch_factor: int | None = None,
        persistent_workers: bool | None = None,
        pin_memory: bool | None = None,
        on_corrupt: OnCorrupt | None = None,
        cache: DecodedCache | None = None,
    ) -> None:
        self._labels = [sample.class_index for sample in samples]
        self._batch_size = batch_size
        self._seed = seed
        self._is_balanced = is_balanced
        self._loader = _Loader(
            _files(samples, root, transform, seed, skips_corrupt=on_corrupt is not None, cache=cache),
            num_workers=num_workers,
            prefetch_factor=prefetch_factor,
            persistent_workers=persistent_workers,
            pin_memory=pin_memory,
            on_corrupt=on_corrupt,
        )

    @property
    def num_batches(self) -> int:
        """Batches of one epoch."""
        return len(self.batch_sizes)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Images in each batch of an epoch, over all workers."""
        sizes = _cut(len(self._labels), self._batch_size)
        return sizes[:-1] if len(sizes) > 1 and sizes[-1] == 1 else sizes

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[ImageBatch]:
        """Yield the batches of an epoch from `start_batch` on. Raises `CorruptImage`, `DataLoaderWorkerDied`."""
        if self._is_balanced:
            keys = balanced_keys(self._labels, self._seed, epoch)
        else:
            keys = shuffled_keys(len(self._labels), self._seed, epoch)
        rest = keys[start_batch * self._batch_size :]
        shares = train_shares(rest, self.batch_sizes[start_batch:], self._batch_size)
        batches = zip(self._loader.load(shares.keys, shares.sizes), shares.stand_ins, strict=True)
        for number, (batch, is_stand_in) in enumerate(batches, start=start_batch):
            yield batch._replace(epoch=epoch, batch=number, is_stand_in=is_stand_in)

    def close(self) -> None:
        """End the loader processes."""
        self._loader.close()


class EvalBatches:
    """All samples once and in order, as often as it is iterated over; with `on_corrupt`, those that can be decoded.

    With several workers each has its part of the samples.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        root: Path,
        transform: Transform,
        *,
        batch_size: int,
        num_workers: int = 0,
        prefetch_factor: int | None = None,
        persistent_workers: bool | None = None,
        pin_memory: bool | None = None,
        on_corrupt: OnCorrupt | None = None,
        cache: DecodedCache | None = None,
    ) -> None:
        self._num_samples = len(samples)
        self._batch_size = batch_size
        self._loader = _Loader(
            _files(samples, root, transform, seed=None, skips_corrupt=on_corrupt is not None, cache=cache),
            num_workers=num_workers,
            prefetch_factor=prefetch_factor,
            persistent_workers=persistent_workers,
            pin_memory=pin_memory,
            on_corrupt=on_corrupt,
        )

    @property
    def num_batches(self) -> int:
        """Batches of one pass."""
        return len(self.batch_sizes)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Images in each batch of this worker's pass."""
        return _cut(len(self._part), largest_share(self._batch_size))

    @property
    def _part(self) -> range:
        return share_of(self._num_samples)

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[ImageBatch]:
        return self._loader.load([Key(0, index) for index in self._part], self.batch_sizes)

    def in_rounds(self) -> Iterator[ImageBatch | None]:
        """Yield the batches, and None where other workers have one more: as many rounds on every rank."""
        num_rounds = len(_cut(largest_share(self._num_samples), largest_share(self._batch_size)))
        return in_rounds(self, num_rounds)

    def close(self) -> None:
        """End the loader processes."""
        self._loader.close()


def _files(
    samples: Sequence[Sample],
    root: Path,
    transform: Transform,
    seed: int | None,
    *,
    skips_corrupt: bool,
    cache: DecodedCache | None,
) -> ImageFiles:
    paths, labels = [sample.path for sample in samples], [sample.class_index for sample in samples]
    return ImageFiles(paths, labels, root, transform, seed, skips_corrupt=skips_corrupt, cache=cache)


def _cut(total: int, size: int) -> tuple[int, ...]:
    full, rest = divmod(total, size)
    return (size,) * full + ((rest,) if rest else ())


def _as_loaded(batch: Any) -> Any:
    return batch  # `ImageFiles` makes whole batches


def _prepare_worker(worker_id: int) -> None:
    """Set up a loader process: one thread, no say in Ctrl-C, and no life after its parent."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the main process decides
    threading.Thread(target=_die_with_parent, name="die-with-parent", daemon=True).start()


def _die_with_parent() -> None:
    # Neither PR_SET_PDEATHSIG nor torch's watchdog notices: the parent that the kernel knows is the fork server, which
    # lives as long as its children. The sentinel is a pipe whose other end the training process holds.
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


@contextmanager
def _callers_random_state() -> Iterator[None]:
    """Keep the caller's generators: without loader processes, samples are drawn from the same ones."""
    python, torch_cpu = random.getstate(), torch.default_generator.get_state()
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        random.setstate(python)
        torch.default_generator.set_state(torch_cpu)
        if cuda is not None:
            torch.cuda.set_rng_state(cuda)


def _next(batches: Iterator[ImageBatch]) -> ImageBatch | UtpError:
    try:
        return next(batches)
    except (RuntimeError, OSError, EOFError) as error:  # OSError, EOFError: it died while handing over a tensor
        workers = getattr(batches, "_workers", ())
        if not isinstance(error, RuntimeError):
            multiprocessing.connection.wait([worker.sentinel for worker in workers], timeout=DEATH_SHOWS_S)
        if cause := _cause_of_death(workers):
            raise DataLoaderWorkerDied(cause) from error
        raise


def _cause_of_death(workers: Iterable[multiprocessing.Process]) -> str | None:
    codes = [code for worker in workers if (code := worker.exitcode)]
    if not codes:
        return None
    if codes[0] > 0:
        return f"it left with exit code {codes[0]}"
    return f"it was killed by {signal.Signals(-codes[0]).name}"
