"""Batches for training and evaluation, the same bit for bit with any number of loader processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Unpack

from utp.core.data.dataset import ImageBatch, Key, Transform
from utp.core.data.loader import Loader, LoaderOptions
from utp.core.data.manifest import Sample
from utp.core.data.order import balanced_keys, shuffled_keys
from utp.core.data.shares import in_rounds, largest_share, share_of, train_shares


class TrainBatches:
    """Shuffled or balanced, augmented batches; every pixel is a function of (seed, epoch, index).

    With several workers each yields its part of every batch: the batches as a whole are those of one worker.
    With a `cache`, pixels come from there, the same in every process too.
    With `on_corrupt`, the next readable image of the same class stands for one that can't be decoded.
    A last batch of one image is dropped where others have more: batch norm has no variance over one value.
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
        **options: Unpack[LoaderOptions],
    ) -> None:
        self._labels = [sample.class_index for sample in samples]
        self._batch_size = batch_size
        self._seed = seed
        self._is_balanced = is_balanced
        self._loader = Loader(samples, root, transform, seed, **options)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Images in each batch of an epoch, over all workers."""
        sizes = _cut(len(self._labels), self._batch_size)
        return sizes[:-1] if len(sizes) > 1 and sizes[-1] == 1 < self._batch_size else sizes

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
        **options: Unpack[LoaderOptions],
    ) -> None:
        self._num_samples = len(samples)
        self._batch_size = batch_size
        self._loader = Loader(samples, root, transform, seed=None, **options)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Images in each batch of this worker's pass."""
        return _cut(len(self._part), largest_share(self._batch_size))

    @property
    def _part(self) -> range:
        return share_of(self._num_samples)

    def __iter__(self) -> Iterator[ImageBatch]:
        return self._loader.load([Key(0, index) for index in self._part], self.batch_sizes)

    def in_rounds(self) -> Iterator[ImageBatch | None]:
        """Yield the batches, and None where other workers have one more: as many rounds on every rank."""
        num_rounds = len(_cut(largest_share(self._num_samples), largest_share(self._batch_size)))
        return in_rounds(self, num_rounds)

    def close(self) -> None:
        """End the loader processes."""
        self._loader.close()


def _cut(total: int, size: int) -> tuple[int, ...]:
    full, rest = divmod(total, size)
    return (size,) * full + ((rest,) if rest else ())
