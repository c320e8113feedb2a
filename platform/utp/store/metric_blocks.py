"""How folded points are packed: steps, then values, as little-endian float64; and how curves are thinned out.

Of every bucket the lowest and the highest point stay, as points that were there, so that no spike is lost.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

BLOCK_SIZE = 1000
"""Points of a block: 16 kB, which one page walk reads, and a tenth of what a chart of 10,000 steps shows."""

RESOLUTIONS = (10, 100, 1000)
"""Points that one bucket of each coarser copy stands for."""


@dataclass(frozen=True)
class Points:
    """Points of a curve, by ascending step; float64 each."""

    steps: array[float]
    values: array[float]

    def __len__(self) -> int:
        return len(self.steps)

    def pack(self) -> bytes:
        """Return the bytes that `unpack` reads."""
        return _little_endian(self.steps).tobytes() + _little_endian(self.values).tobytes()


def make_points(steps: Sequence[float], values: Sequence[float]) -> Points:
    """Return points from two sequences of one length."""
    return Points(array("d", steps), array("d", values))


def unpack(*blocks: bytes) -> Points:
    """Return the points of packed blocks, one behind the other."""
    steps, values = array("d"), array("d")
    for block in blocks:
        half = len(block) // 2
        steps.frombytes(block[:half])
        values.frombytes(block[half:])
    return Points(_little_endian(steps), _little_endian(values))


def keep_extremes(points: Points, bucket_size: int) -> Points:
    """Return the lowest and the highest point of each `bucket_size` points, by step."""
    return _pick(points, _extremes_of_buckets(points.values, bucket_size)) if bucket_size > 1 else points


def thin_out(points: Points, max_points: int) -> Points:
    """Return at most `max_points` (4 or more): the first, the last, and the extremes of equal buckets."""
    if len(points) <= max_points:
        return points
    num_buckets = max(1, (max_points - 2) // 2)
    kept = keep_extremes(points, -(-len(points) // num_buckets))
    steps, values = kept.steps, kept.values
    if steps[0] != points.steps[0]:
        steps.insert(0, points.steps[0])
        values.insert(0, points.values[0])
    if steps[-1] != points.steps[-1]:
        steps.append(points.steps[-1])
        values.append(points.values[-1])
    return kept


def coarser_copies(points: Points) -> tuple[Points, ...]:
    """Return the points at each of `RESOLUTIONS`."""
    kept = _extremes_of_buckets(points.values, RESOLUTIONS[0])
    copies = [_pick(points, kept)]
    for finer, resolution in pairwise(RESOLUTIONS):  # the extremes of the extremes: a fraction to look through
        step = resolution // finer
        groups = (chain.from_iterable(kept[start : start + step]) for start in range(0, len(kept), step))
        kept = [_extremes(points.values, tuple(group)) for group in groups]
        copies.append(_pick(points, kept))
    return tuple(copies)


def _extremes_of_buckets(values: array[float], size: int) -> list[tuple[int, ...]]:
    """Return for each `size` values the index of the first lowest and of the first highest; once if they are the same.

    In order.
    """
    numbers = values.tolist()  # an array would make its numbers anew at each of the four looks
    kept: list[tuple[int, ...]] = []
    for start in range(0, len(numbers), size):
        bucket = numbers[start : start + size]
        low, high = start + bucket.index(min(bucket)), start + bucket.index(max(bucket))
        kept.append((low,) if low == high else (low, high) if low < high else (high, low))
    return kept


def _extremes(values: array[float], indices: Sequence[int]) -> tuple[int, ...]:
    low, high = min(indices, key=values.__getitem__), max(indices, key=values.__getitem__)
    return (low,) if low == high else (low, high) if low < high else (high, low)


def _pick(points: Points, groups: Iterable[tuple[int, ...]]) -> Points:
    indices = list(chain.from_iterable(groups))
    return make_points([points.steps[index] for index in indices], [points.values[index] for index in indices])


def _little_endian(numbers: array[float]) -> array[float]:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers
