"""Many files in threads: every result in order, few of them ahead."""

from __future__ import annotations

import threading

import pytest

from utp.core.data.threads import map_in_threads


@pytest.mark.parametrize("num_items", [0, 1, 3, 40, 1000])
@pytest.mark.parametrize("num_threads", [1, 3])
def test_results_are_those_of_map(num_items: int, num_threads: int) -> None:
    items = list(range(num_items))
    assert list(map_in_threads(lambda item: 2 * item, items, num_threads)) == [2 * item for item in items]


def test_error_comes_at_its_place_and_the_rest_is_not_begun() -> None:
    begun: list[int] = []

    def measure(item: int) -> int:
        begun.append(item)
        if item == 700:
            raise OSError("gone")
        return item

    results = map_in_threads(measure, range(100_000), 2)
    assert [next(results) for _ in range(640)] == list(range(640))
    with pytest.raises(OSError, match="gone"):
        list(results)
    assert max(begun) < 2_000


def test_giving_up_ends_the_threads_soon() -> None:
    before = threading.active_count()
    results = map_in_threads(lambda item: item, range(1_000_000), 4)
    next(results)
    results.close()  # type: ignore[attr-defined]  # a generator, as an interrupted command drops it
    assert threading.active_count() == before
