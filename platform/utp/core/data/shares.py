"""What each of several workers takes of a batch: contiguous parts, so that together they are what one worker takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from utp.core.data.dataset import Key
from utp.core.distributed import rank, world_size

T = TypeVar("T")


@dataclass(frozen=True)
class Shares:
    """This rank's parts of successive micro-batches."""

    keys: tuple[Key, ...]
    sizes: tuple[int, ...]
    """Images to load of each micro-batch; never 0, see `stand_ins`."""
    stand_ins: tuple[bool, ...]
    """Micro-batches of which this rank has no part. It loads one image of them that counts nothing: so every rank
    takes part in the exchange of gradients, and none waits for it in vain."""


def train_shares(keys: Sequence[Key], batch_sizes: Sequence[int], batch_size: int) -> Shares:
    """Cut this rank's part out of each micro-batch of `keys`; `batch_size` is that of a full one."""
    mine: list[Key] = []
    sizes, stand_ins, start = [], [], 0
    for size in batch_sizes:
        part = share_of(size, _num_sharing(size, batch_size))
        is_stand_in = not part
        chosen = keys[start : start + 1] if is_stand_in else keys[start + part.start : start + part.stop]
        mine.extend(chosen)
        sizes.append(len(chosen))
        stand_ins.append(is_stand_in)
        start += size
    return Shares(tuple(mine), tuple(sizes), tuple(stand_ins))


def share_of(size: int, num_sharing: int | None = None) -> range:
    """Return this rank's part of `size` items, shared evenly among the first `num_sharing` ranks, or among all."""
    number, among = rank(), num_sharing or world_size()
    if number >= among:
        return range(size, size)
    return range(size * number // among, size * (number + 1) // among)


def largest_share(size: int) -> int:
    """Return how many of `size` items the rank with most of them has, shared out among all."""
    return -(-size // world_size())


def in_rounds(items: Iterable[T], num_rounds: int) -> Iterator[T | None]:
    """Yield the items, then None, `num_rounds` times in all: ranks with fewer items go through as many rounds."""
    iterator = iter(items)
    for _ in range(num_rounds):
        yield next(iterator, None)


def _num_sharing(size: int, batch_size: int) -> int:
    """Return how many ranks take part in a micro-batch: all in a full one; in a short one so few that each has two.

    Batch norm has no variance over one value.
    """
    if size == batch_size and size >= world_size():
        return world_size()
    return max(1, min(world_size(), size // 2))
