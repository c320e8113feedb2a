"""Batches for the device; what happens on a GPU is in `test_on_gpu.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from utp.core.data.dataset import ImageBatch
from utp.core.data.device_batches import on_device, one_ahead
from utp.errors import CorruptImage


class Source:
    """Items that tell how many were drawn, and whether the one who drew them has let go."""

    def __init__(self, *items: str | Exception) -> None:
        self.items, self.drawn, self.is_closed = items, 0, False

    def __iter__(self) -> Iterator[str]:
        try:
            for item in self.items:
                if isinstance(item, Exception):
                    raise item
                self.drawn += 1
                yield item
        finally:
            self.is_closed = True


def test_cpu_is_given_the_iterator_itself() -> None:
    batches = iter([ImageBatch(torch.zeros(1, 3, 2, 2), torch.zeros(1), torch.zeros(1)), None])
    assert on_device(batches, torch.device("cpu")) is batches


@pytest.mark.parametrize("items", [(), ("a",), ("a", "b"), ("a", "b", "c", "d")])
def test_items_come_in_order_and_the_next_one_has_been_drawn(items: tuple[str, ...]) -> None:
    source = Source(*items)
    ahead = one_ahead(iter(source))
    assert source.drawn == 0
    assert [(item, source.drawn) for item in ahead] == [
        (item, min(number, len(items))) for number, item in enumerate(items, start=2)
    ]


def test_error_comes_behind_the_items_before_it() -> None:
    ahead = one_ahead(iter(Source("a", "b", CorruptImage("x.jpg", "it is torn"))))
    assert [next(ahead), next(ahead)] == ["a", "b"]
    with pytest.raises(CorruptImage, match=r"x\.jpg"):
        next(ahead)


def test_pass_that_is_left_early_lets_go_of_its_source() -> None:
    source = Source("a", "b", "c")
    ahead = one_ahead(iter(source))
    next(ahead)
    del ahead
    assert (source.drawn, source.is_closed) == (2, True)
