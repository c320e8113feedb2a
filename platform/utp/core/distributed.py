"""Workers that train one model together: who this process is among them, and what all of them agree on.

Without a process group there is one worker, and nothing here talks to anybody. Whoever starts the workers opens the
group; every function but `rank`, `world_size` and `is_first_rank` has to be called by all ranks alike.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from utp.errors import UtpError

T = TypeVar("T")

_VOTES_IN_FLIGHT = 2
"""Votes on a GPU that are not read yet: by then they are long done, so that reading waits for no running kernel."""


def rank() -> int:
    """Return this worker's number, from 0."""
    return distributed.get_rank() if _is_open() else 0


def world_size() -> int:
    """Return the number of workers."""
    return distributed.get_world_size() if _is_open() else 1


def is_first_rank() -> bool:
    """Whether this is the worker that writes journal, checkpoints and figures."""
    return rank() == 0


def sum_over_ranks(*tensors: Tensor) -> None:
    """Replace each by its sum over all ranks, in one exchange in float64; waits for no device."""
    if world_size() == 1:
        return
    packed = torch.cat([tensor.detach().double().flatten() for tensor in tensors])
    distributed.all_reduce(packed)
    totals = torch.split(packed, [tensor.numel() for tensor in tensors])
    for tensor, total in zip(tensors, totals, strict=True):
        tensor.copy_(total.view_as(tensor))


def on_first_rank(function: Callable[[], T]) -> T:
    """Call on rank 0 alone; return what it returned, or raise the `UtpError` it raised, on every rank."""
    if world_size() == 1:
        return function()
    outcome: tuple[T | None, UtpError | None] = (None, None)
    if is_first_rank():
        try:
            outcome = (function(), None)
        except UtpError as error:
            outcome = (None, error)
    value, failure = from_first_rank(outcome)
    if failure is not None:
        raise failure
    return value  # type: ignore[return-value]


def from_first_rank(value: T) -> T:
    """Return rank 0's value, which has to pickle."""
    if world_size() == 1:
        return value
    box: list[Any] = [value if is_first_rank() else None]
    distributed.broadcast_object_list(box, src=0, group=host_group())
    received: T = box[0]
    return received


def gather_objects(value: T) -> list[T]:
    """Return the value of every rank, in their order; it has to pickle."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value, group=host_group())
    return values


def host_group() -> distributed.ProcessGroup:
    """Return a group of all ranks that exchanges tensors in host memory; NCCL moves none but the GPU's."""
    assert distributed.group.WORLD is not None, "only several workers have one"
    return _host_group(distributed.group.WORLD)


def num_workers_here() -> int:
    """Return how many of the workers share this machine's cores."""
    return 1 if world_size() == 1 else _workers_on_this_machine(host_group())


class StopVote:
    """Whether any rank was asked to stop: the same answer on all, so that none waits in a step that others leave out.

    On a GPU the answer is that of two calls before, since reading the present one would wait for the device.

    Args:
        poll: whether this rank was asked to.
        device: where the loop computes.
    """

    def __init__(self, poll: Callable[[], bool], device: torch.device) -> None:
        self._poll = poll
        self._device = device
        self._in_flight: deque[tuple[Tensor, torch.cuda.Event]] = deque()

    def __call__(self) -> bool:
        """Poll, and exchange the answers."""
        if world_size() == 1:
            return self._poll()
        vote = torch.full((), float(self._poll()), device=self._device)
        distributed.all_reduce(vote, distributed.ReduceOp.MAX)
        return bool(vote) if self._device.type == "cpu" else self._read_later(vote)

    def _read_later(self, vote: Tensor) -> bool:
        answer = torch.empty((), pin_memory=True)
        answer.copy_(vote, non_blocking=True)
        copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record()
        self._in_flight.append((answer, copied))
        if len(self._in_flight) <= _VOTES_IN_FLIGHT:
            return False
        answer, copied = self._in_flight.popleft()
        copied.synchronize()
        return bool(answer)


def _is_open() -> bool:
    return distributed.is_available() and distributed.is_initialized()


@lru_cache(maxsize=1)
def _host_group(world: distributed.ProcessGroup) -> distributed.ProcessGroup:
    if distributed.get_backend(world) == "gloo":
        return world
    group = distributed.new_group(backend="gloo")
    assert isinstance(group, distributed.ProcessGroup), "every rank is in it"
    return group


@lru_cache(maxsize=1)
def _workers_on_this_machine(group: distributed.ProcessGroup) -> int:
    name = os.uname().nodename
    names: list[str] = [""] * world_size()
    distributed.all_gather_object(names, name, group=group)
    return names.count(name)
