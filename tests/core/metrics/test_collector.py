from __future__ import annotations

import numpy as np
import pytest
import torch

from utp.core.metrics.classification import compute_metrics
from utp.core.metrics.collector import ScoreCollector
from utp.core.metrics.scores import ClassificationScores


def collect(order: torch.Tensor, batch_size: int) -> ClassificationScores:
    """Feed 103 fixed samples of 7 classes in this order."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(103, 7, generator=rng)
    labels = torch.randint(0, 7, (103,), generator=rng)
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    collector = ScoreCollector(7)
    for rows in order.split(batch_size):
        collector.add(logits[rows], labels[rows], losses[rows], rows * 10)
    return collector.collect()


def test_batches_and_their_order_change_nothing() -> None:
    whole = collect(torch.arange(103), 103)
    shuffled = collect(torch.randperm(103, generator=torch.Generator().manual_seed(1)), 8)
    for name in ("logits", "labels", "losses", "indices"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(shuffled, name))
    assert compute_metrics(whole) == compute_metrics(shuffled)


def test_rows_keep_their_index() -> None:
    np.testing.assert_array_equal(collect(torch.arange(103).flip(0), 10).indices, np.arange(103) * 10)


def test_repeated_sample_counts_once() -> None:
    padded = collect(torch.cat([torch.arange(103), torch.arange(5)]), 9)
    assert padded.num_samples == 103
    assert compute_metrics(padded) == compute_metrics(collect(torch.arange(103), 103))


def test_added_batch_is_a_copy() -> None:
    collector = ScoreCollector(2)
    logits = torch.tensor([[1.0, 0.0]])
    collector.add(logits, torch.tensor([0]), torch.tensor([0.5]), torch.tensor([0]))
    logits.fill_(torch.nan)
    assert collector.collect().logits.tolist() == [[1.0, 0.0]]


def test_collector_is_empty_after_collect_and_an_empty_split_is_a_split() -> None:
    collector = ScoreCollector(2)
    collector.add(torch.zeros(3, 2), torch.zeros(3).long(), torch.zeros(3), torch.arange(3))
    assert collector.collect().num_samples == 3
    empty = collector.collect()
    assert (empty.num_samples, empty.num_classes) == (0, 2)


def test_bfloat16_logits_on_the_graph_are_taken() -> None:
    collector = ScoreCollector(2)
    logits = torch.ones(1, 2, dtype=torch.bfloat16, requires_grad=True)
    collector.add(logits, torch.tensor([1]), logits.float().mean(dim=1), torch.tensor([4]))
    assert collector.collect().logits.dtype == np.float32


def test_wrong_number_of_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"logits must be \(batch, 3\), got shape \(2, 4\)"):
        ScoreCollector(3).add(torch.zeros(2, 4), torch.zeros(2), torch.zeros(2), torch.zeros(2))


def test_parts_of_different_length_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"losses must be \(2,\)"):
        ScoreCollector(4).add(torch.zeros(2, 4), torch.zeros(2), torch.zeros(1), torch.zeros(2))
