"""Order of an epoch: balanced draws are even over classes and within them, and a function of (seed, epoch)."""

from __future__ import annotations

from collections import Counter

from utp.core.data.order import balanced_keys, shuffled_keys

LABELS = [2] * 900 + [0] * 90 + [5] * 10  # no sample of classes 1, 3, 4


def test_every_class_comes_equally_often_whatever_its_size() -> None:
    counts = Counter(LABELS[key.sample] for epoch in range(9) for key in balanced_keys(LABELS, 0, epoch))
    assert sum(counts.values()) == 9000
    assert all(abs(counts[label] - 3000) < 4 * (9000 * 2 / 9) ** 0.5 for label in (0, 2, 5))


def test_every_sample_of_a_class_comes_equally_often() -> None:
    counts = Counter(key.sample for epoch in range(9) for key in balanced_keys(LABELS, 0, epoch))
    assert all(abs(counts[index] - 300) < 5 * 300**0.5 for index in range(990, 1000))


def test_sample_that_comes_again_is_another_key() -> None:
    keys = balanced_keys(LABELS, 0, 3)
    assert len(set(keys)) == len(keys) == len(LABELS)
    repeats = sorted(key.repeat for key in keys if key.sample == 999)
    assert repeats == list(range(len(repeats)))
    assert len(repeats) > 10


def test_order_is_a_function_of_seed_and_epoch() -> None:
    assert balanced_keys(LABELS, 1, 2) == balanced_keys(LABELS, 1, 2)
    assert balanced_keys(LABELS, 1, 2) != balanced_keys(LABELS, 2, 2)
    orders = [[key.sample for key in balanced_keys(LABELS, 1, epoch)] for epoch in (2, 3)]
    assert orders[0] != orders[1]


def test_shuffle_holds_every_sample_once() -> None:
    assert sorted(key.sample for key in shuffled_keys(100, 0, 0)) == list(range(100))
