"""Loads batches of decoded, transformed pictures; the part of loading that runs in loader processes.

Imports neither transformers nor anything of training, since every loader process imports it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from utp.core.data.decode import decode_image
from utp.core.data.picture import EncodedPicture, PictureTransform
from utp.core.randomness import derive_seed, reseed
from utp.errors import DataLoaderWorkerDied, UtpError

Transform = Callable[[torch.Tensor], torch.Tensor] | PictureTransform
"""From all pixels of a picture, or from the picture itself, to uint8 (3, s, s)."""

Key = tuple[int, int]
"""(epoch, index): all that the pixels of a sample depend on, besides the seed."""


class ImageBatch(NamedTuple):
    """A batch on the CPU, in pinned memory where that was asked for."""

    images: torch.Tensor
    """uint8 (N, 3, s, s)."""

    labels: torch.Tensor
    """int64 (N,), class indices."""

    indices: torch.Tensor
    """int64 (N,), positions in the sequence of samples."""


class ImageFiles(Dataset[ImageBatch]):
    """Samples of one split; a key gives the same pixels in whichever process it is loaded."""

    def __init__(
        self, paths: Sequence[str], labels: Sequence[int], root: Path, transform: Transform, seed: int | None
    ) -> None:
        # One array of bytes pickles to loader processes in no time, and its pages stay shared; a list does neither.
        self._paths = np.array([os.fsencode(path) for path in paths], dtype=np.bytes_)
        self._labels = np.array(labels, dtype=np.int64)
        self._root = root
        self._transform = transform
        self._seed = seed

    def __getitems__(self, keys: Sequence[Key]) -> ImageBatch | UtpError:
        """Load one batch. Errors are returned, since torch would make a raised one a RuntimeError with a traceback."""
        try:
            pictures = [self._picture(*key) for key in keys]
            images = _empty((len(keys), *pictures[0].shape), torch.uint8)
            torch.stack(pictures, out=images)
            indices = _filled([index for _, index in keys])
            labels = _filled(self._labels[[index for _, index in keys]])
        except UtpError as error:
            return error
        return ImageBatch(images, labels, indices)

    def _picture(self, epoch: int, index: int) -> torch.Tensor:
        if self._seed is not None:
            reseed(derive_seed(self._seed, "augment", epoch, index))
        path = self._root / os.fsdecode(self._paths[index])
        if isinstance(self._transform, PictureTransform):
            return self._transform.from_picture(EncodedPicture(path))
        return self._transform(decode_image(path))


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
