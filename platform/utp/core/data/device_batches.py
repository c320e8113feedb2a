"""Batches on the device that computes: a GPU is given the next one while it works on the one before.

As in timm's and NVIDIA apex's prefetchers the copy has a stream of its own, and is begun one batch ahead. Nothing here
waits for the device.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeVar

import torch

from utp.core.data.dataset import ImageBatch
from utp.errors import UtpError

T = TypeVar("T")
Batch = TypeVar("Batch", ImageBatch, ImageBatch | None)
"""None stands for a round in which this worker has no batch."""


def on_device(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield the batches with images and labels on the device.

    On a CPU that is the iterator itself. A GPU holds up to three batches, still bytes: one that the caller has not let
    go of yet, and two copies.
    """
    return batches if device.type == "cpu" else _copied_ahead(batches, device)


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield each item when the next one has been drawn; an error of ours comes after the items before it."""
    ahead: deque[T] = deque()
    try:
        for item in items:
            ahead.append(item)
            if len(ahead) > 1:
                yield ahead.popleft()
    except UtpError:
        yield from ahead
        raise
    yield from ahead


def copy_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream that copies to this GPU."""
    return _copy_stream(torch.cuda.current_device() if device.index is None else device.index)


@lru_cache
def _copy_stream(index: int) -> torch.cuda.Stream:
    # One for all passes: memory that was allocated for a stream is used again by that stream alone.
    return torch.cuda.Stream(index)  # type: ignore[no-untyped-call]


def _copied_ahead(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    stream = copy_stream(device)
    for batch, copied in one_ahead(_begin_copy(batch, stream) for batch in batches):
        if batch is not None and copied is not None:
            _hand_over(batch, copied)
        yield batch


def _begin_copy(batch: Batch, stream: torch.cuda.Stream) -> tuple[Batch, torch.cuda.Event | None]:
    """Return the batch as it will be on the device, and the event after which it is.

    The stream does not wait for the one that trains, or the copy would: its memory comes from a pool of its own, to
    which `_hand_over` lets it return when both streams are done with it. Nor does the pinned source have to be kept:
    torch notes the copy with the allocator of pinned memory, which gives it to nobody else before (Copy.cu).
    """
    if batch is None:
        return batch, None
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        # Laid out as the source is: another memory format would need a kernel, and that waits for those that train.
        images = batch.images.to(stream.device, non_blocking=True)
        labels = batch.labels.to(stream.device, non_blocking=True)
        copied.record(stream)
    return batch._replace(images=images, labels=labels), copied


def _hand_over(batch: ImageBatch, copied: torch.cuda.Event) -> None:
    """Let the present stream use the batch: its work from now on waits for the copy, and the memory for its work."""
    user = torch.cuda.current_stream(batch.images.device)
    user.wait_event(copied)
    for tensor in (batch.images, batch.labels):
        tensor.record_stream(user)
