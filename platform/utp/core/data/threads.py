"""Applies a function to many files in threads: it waits for the disk, or works outside Python's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MAX_CHUNK = 64
_CHUNKS_AHEAD = 4
"""Of each thread. The executor's own `map` submits every item at once: 1.7 KB each, 2 GB for a million files, and an
interrupted command waits for all of them."""


def map_in_threads(function: Callable[[Item], Result], items: Sequence[Item], num_threads: int) -> Iterator[Result]:
    """Yield the result of each item, in their order; raises what `function` raised, at the item's place."""
    size = max(1, min(_MAX_CHUNK, len(items) // (num_threads * _CHUNKS_AHEAD)))
    under_way: deque[Future[list[Result]]] = deque()
    with ThreadPoolExecutor(num_threads) as pool:
        for start in range(0, len(items), size):
            under_way.append(pool.submit(_apply, function, items[start : start + size]))
            if len(under_way) == num_threads * _CHUNKS_AHEAD:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()


def _apply(function: Callable[[Item], Result], chunk: Sequence[Item]) -> list[Result]:
    return [function(item) for item in chunk]
