"""Loads batches of decoded, transformed pictures; the part of loading that runs in loader processes.

Imports neither transformers nor anything of training, since every loader process imports it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from utp.core.data.bounds import Bounds
from utp.core.data.decode import decode_image
from utp.core.data.decoded_cache import DecodedCache
from utp.core.data.picture import EncodedPicture, PictureTransform, PixelPicture
from utp.core.randomness import derive_seed, generator, reseed
from utp.errors import CorruptImage, DataLoaderWorkerDied, DatasetError, DatasetLeft, UtpError

Transform = Callable[[torch.Tensor], torch.Tensor]
"""From all pixels of a picture to uint8 (3, s, s); one that is a `PictureTransform` too is given the picture itself."""


class Key(NamedTuple):
    """All that the pixels of a sample depend on, besides the seed."""

    epoch: int
    sample: int
    repeat: int = 0
    """How often the sample came before in the same epoch, where it is drawn with replacement."""


class ImageBatch(NamedTuple):
    """A batch on the CPU, in pinned memory where that was asked for."""

    images: torch.Tensor
    """uint8 (N, 3, s, s); in test-time augmentation (N, V, 3, s, s), V views of each image."""

    labels: torch.Tensor
    """int64 (N,), class indices."""

    indices: torch.Tensor
    """int64 (N,), positions in the sequence of samples."""

    epoch: int = 0
    """In training: the epoch, from 0."""

    batch: int = 0
    """In training: the number of the micro-batch in its epoch, from 0."""

    is_stand_in: bool = False
    """In training with several workers: this one has no part of the micro-batch, and its image counts nothing."""

    corrupt: tuple[tuple[str, str], ...] = ()
    """(path, reason) of files that could not be read: replaced in training, left out in evaluation."""


class ImageFiles(Dataset[ImageBatch]):
    """Samples of one split; a key gives the same pixels in whichever process it is loaded."""

    def __init__(
        self,
        paths: Sequence[str],
        labels: Sequence[int],
        root: Path,
        transform: Transform,
        seed: int | None,
        *,
        mount: Path | None = None,
        skips_corrupt: bool = False,
        cache: DecodedCache | None = None,
    ) -> None:
        # One array of bytes pickles to loader processes in no time, and its pages stay shared; a list does neither.
        self._paths = np.array([os.fsencode(path) for path in paths], dtype=np.bytes_)
        self._labels = np.array(labels, dtype=np.int64)
        self._bounds = Bounds.of(root, mount)
        self._transform = transform
        self._seed = seed
        self._skips_corrupt = skips_corrupt
        self._cache = cache

    def __getitems__(self, keys: Sequence[Key]) -> ImageBatch | UtpError:
        """Load one batch. Errors are returned, since torch would make a raised one a RuntimeError with a traceback."""
        corrupt: list[tuple[str, str]] = []
        try:
            loaded = [found for key in keys if (found := self._load(key, corrupt))]
            samples = [sample for sample, _ in loaded]
            images = _stacked([picture for _, picture in loaded])
            labels, indices = _filled(self._labels[samples]), _filled(samples)
        except UtpError as error:
            return error
        return ImageBatch(images, labels, indices, corrupt=tuple(corrupt))

    def _load(self, key: Key, corrupt: list[tuple[str, str]]) -> tuple[int, torch.Tensor] | None:
        """Return the sample that stands for `key` and its picture; none where evaluation leaves it out."""
        for sample in self._candidates(key):
            try:
                return sample, self._picture(key, sample)
            except (CorruptImage, DatasetError) as error:
                if not self._skips_corrupt or isinstance(error, DatasetLeft):
                    raise
                reason = error.reason if isinstance(error, CorruptImage) else "the file is gone"
                corrupt.append((os.fsdecode(self._paths[sample]), reason))
        if self._seed is None:
            return None
        raise DatasetError(
            str(self._bounds.root), f"no image of the class of {corrupt[0][0]} can be decoded; replace them"
        )

    def _candidates(self, key: Key) -> Iterator[int]:
        """Yield the sample and, in training, those of its class in an order that (seed, epoch, sample) decide."""
        yield key.sample
        if self._seed is not None and self._skips_corrupt:
            (others,) = np.nonzero(self._labels == self._labels[key.sample])
            order = torch.randperm(len(others), generator=generator(self._seed, "replace", key.epoch, key.sample))
            yield from (int(other) for other in others[order.numpy()] if other != key.sample)

    def _picture(self, key: Key, sample: int) -> torch.Tensor:
        if self._seed is not None:
            repeat = (key.repeat,) if key.repeat else ()
            reseed(derive_seed(self._seed, "augment", key.epoch, key.sample, *repeat))
        path, bounds = self._bounds.root / os.fsdecode(self._paths[sample]), self._bounds
        pixels = self._cache.picture(sample, path, bounds) if self._cache else None
        transform: object = self._transform
        if isinstance(transform, PictureTransform):
            return transform.from_picture(EncodedPicture(path, bounds) if pixels is None else PixelPicture(pixels))
        return self._transform(decode_image(path, bounds) if pixels is None else pixels)


def _stacked(pictures: Sequence[torch.Tensor]) -> torch.Tensor:
    if not pictures:
        return torch.empty((0, 3, 0, 0), dtype=torch.uint8)
    images = _empty((len(pictures), *pictures[0].shape), torch.uint8)
    torch.stack(list(pictures), out=images)
    return images


def _filled(values: Sequence[int] | np.ndarray) -> torch.Tensor:
    tensor = _empty((len(values),), torch.int64)
    tensor.copy_(torch.as_tensor(values))
    return tensor


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Return memory for the result: shared with the main process where this is a loader process.

    Left to the queue, a full /dev/shm would raise in its background thread, where the batch is lost and the run hangs.
    """
    tensor = torch.empty(shape, dtype=dtype)
    if get_worker_info() is None:
        return tensor
    try:
        tensor.share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise DataLoaderWorkerDied(f"shared memory is full ({error})") from error
    return tensor
