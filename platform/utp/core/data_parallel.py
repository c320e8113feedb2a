"""One model on several workers: gradients averaged while they are computed, buffers those of rank 0."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from utp.core.distributed import world_size


def parallel_model(model: nn.Module) -> nn.Module:
    """Return what forward passes of training go through: the model itself where there is one worker.

    Its parameters are the model's own, so that optimizer, checkpoint and average know nothing of it. Before a step's
    first forward pass rank 0's buffers become everybody's: what a checkpoint holds is then what all ranks go on with.
    """
    if world_size() == 1:
        return model
    # Many architectures of the Hub have weights that no loss reaches, such as a mask token; they keep no gradient then,
    # as with one worker.
    return DistributedDataParallel(model, gradient_as_bucket_view=True, find_unused_parameters=True)


def gradient_exchange(model: nn.Module, *, is_last: bool) -> AbstractContextManager[Any]:
    """Return the context of one micro-step: gradients are exchanged in the last one of an optimizer step alone."""
    if isinstance(model, DistributedDataParallel) and not is_last:
        return model.no_sync()
    return nullcontext()


def rank_loss(loss_sum: Tensor, num_samples: int) -> Tensor:
    """Return this rank's part of the mean loss over `num_samples`, such that the ranks' mean is the whole."""
    return loss_sum * world_size() / num_samples if world_size() > 1 else loss_sum / num_samples


def share_buffers(model: nn.Module) -> None:
    """Give every rank the buffers of rank 0, such as batch norm's statistics: all evaluate the model that is saved."""
    if world_size() == 1:
        return
    for buffer in model.buffers():
        distributed.broadcast(buffer, src=0)
