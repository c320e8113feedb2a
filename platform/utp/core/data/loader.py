"""`Loader`: torch's loader processes, with our errors, our signals and nobody's random numbers but their own."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import random
import signal
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch.utils.data import DataLoader, Sampler

from utp.core.data.dataset import ImageBatch, ImageFiles, Key, Transform
from utp.core.data.decoded_cache import DecodedCache
from utp.core.data.manifest import Sample
from utp.core.data.worker_server import SENT_TO_ALL, start_worker_server
from utp.errors import DataLoaderWorkerDied, UtpError

DEATH_SHOWS_S = 10.0
"""From a connection that broke to the word that a loader process died; without a death an error is raised as late."""

OnCorrupt = Callable[[Sequence[tuple[str, str]]], None]
"""Told (path, reason) of files that could not be read and are left out; raises where they are too many."""


class LoaderOptions(TypedDict, total=False):
    """How batches are loaded, whatever is in them."""

    num_workers: int
    """Loader processes; 0 loads in the calling one."""
    prefetch_factor: int | None
    """Batches that each process holds ready; none means 2."""
    persistent_workers: bool | None
    """Whether the processes stay from pass to pass; none means yes."""
    pin_memory: bool | None
    """Whether batches lie in pinned memory; none means where there is a GPU."""
    on_corrupt: OnCorrupt | None
    """Told of files that are left out; none means that the first one ends the pass."""
    cache: DecodedCache | None
    """Decoded pictures that are read in place of the files."""
    mount: Path | None
    """What no link may lead out of; none where any user may read anything."""


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


class Loader:
    """A `DataLoader` over keys that raises our errors and leaves the caller's random numbers alone."""

    def __init__(
        self,
        samples: Sequence[Sample],
        root: Path,
        transform: Transform,
        seed: int | None,
        *,
        num_workers: int = 0,
        prefetch_factor: int | None = None,
        persistent_workers: bool | None = None,
        pin_memory: bool | None = None,
        on_corrupt: OnCorrupt | None = None,
        cache: DecodedCache | None = None,
        mount: Path | None = None,
    ) -> None:
        self._on_corrupt = on_corrupt
        self._plan = _Plan()
        self._pass: weakref.ref[Any] | None = None
        has_cuda = torch.cuda.is_available()
        self._loader: DataLoader[ImageBatch] | None = DataLoader(
            _files(samples, root, transform, seed, mount=mount, skips_corrupt=on_corrupt is not None, cache=cache),
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
        self._pass = weakref.ref(batches)
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
        """End the loader processes, also those of a pass that an error still holds on to.

        Left to the garbage collector, torch would wait 5 s for each: it finds the queue closed that tells them to end.
        """
        batches = self._pass and self._pass()
        shut_down = getattr(batches, "_shutdown_workers", None)  # no public twin; none where this process loads
        if shut_down is not None:
            shut_down()
        self._loader = None


def _files(
    samples: Sequence[Sample],
    root: Path,
    transform: Transform,
    seed: int | None,
    *,
    mount: Path | None,
    skips_corrupt: bool,
    cache: DecodedCache | None,
) -> ImageFiles:
    paths, labels = [sample.path for sample in samples], [sample.class_index for sample in samples]
    return ImageFiles(paths, labels, root, transform, seed, mount=mount, skips_corrupt=skips_corrupt, cache=cache)


def _as_loaded(batch: Any) -> Any:
    return batch  # `ImageFiles` makes whole batches


def _prepare_worker(worker_id: int) -> None:
    """Set up a loader process: one thread, no say in what all are sent, and no life after its parent."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, SENT_TO_ALL)  # of threads to come, too
    for ending in (_die_with_parent, _die_for_parent):
        threading.Thread(target=ending, name=ending.__name__, daemon=True).start()


def _die_for_parent() -> None:
    # A loader that is closed terminates the processes that do not end in 5 s. SIGTERM of anybody else goes to all, and
    # the main process will want batches before it stops: torch's own handler tells the two apart as well, but takes
    # the fork server for the parent.
    parent = multiprocessing.parent_process()
    assert parent is not None
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent.pid:
        pass
    os._exit(0)


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
