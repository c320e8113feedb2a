"""Batches with the time that training waited for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any


class TimedBatches:
    """Iterates batches and measures what share of the time went into waiting for them."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self._batches = batches
        self._start_interval()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        started = time.monotonic()
        batch = next(self._batches)
        self._waited_s += time.monotonic() - started
        return batch

    def take_timings(self) -> dict[str, float]:
        """Return images per second and share of time waited since the last call."""
        elapsed_s = max(time.monotonic() - self._started, 1e-9)
        timings = {
            "images_per_s": round(self.num_samples / elapsed_s, 2),
            "data_wait_share": round(self._waited_s / elapsed_s, 4),
        }
        self._start_interval()
        return timings

    def _start_interval(self) -> None:
        self._started, self._waited_s, self.num_samples = time.monotonic(), 0.0, 0
