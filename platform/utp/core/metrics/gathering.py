"""Brings the scores of several workers together on rank 0, batch by batch."""

from __future__ import annotations

import torch
from torch import distributed

from utp.core.distributed import host_group, is_first_rank, world_size
from utp.core.metrics.collector import ScoreCollector
from utp.core.metrics.scores import ClassificationScores


def gather_scores(collector: ScoreCollector) -> ClassificationScores | None:
    """Return the rows of all ranks in index order on rank 0, None on the others; empties the collector.

    Rank 0 takes one batch of one rank at a time, so that beside the whole it never holds more than that.
    """
    if not is_first_rank():
        _send(collector)
        return None
    for source in range(1, world_size()):
        _receive(collector, source)
    return collector.collect()


def _send(collector: ScoreCollector) -> None:
    sizes = torch.tensor(collector.batch_sizes, dtype=torch.int64)
    for tensor in (torch.tensor([len(sizes)]), sizes):
        distributed.send(tensor, 0, group=host_group())
    for batch in collector.take_batches():
        for tensor in batch:
            distributed.send(tensor, 0, group=host_group())


def _receive(collector: ScoreCollector, source: int) -> None:
    num_batches = _received(source, (1,), torch.int64)
    sizes = _received(source, (int(num_batches),), torch.int64)
    for size in sizes.tolist():
        logits = _received(source, (size, collector.num_classes), torch.float32)
        labels = _received(source, (size,), torch.int64)
        losses = _received(source, (size,), torch.float32)
        collector.add(logits, labels, losses, _received(source, (size,), torch.int64))


def _received(source: int, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    tensor = torch.empty(shape, dtype=dtype)
    distributed.recv(tensor, source, group=host_group())
    return tensor
