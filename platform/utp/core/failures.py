"""Names the cause of a failed attempt, so that the state of a run says more than `failed`."""

from __future__ import annotations

import errno

import torch
from torch.distributed import DistNetworkError

from utp.errors import FailureKind, UtpError

_LOST_WORKER = ("gloo/transport", "ncclRemoteError", "ncclSystemError")
"""What a collective's error has in it on a worker whose fellow died: the cause, if there is a word of it, is there."""


def classify_failure(error: BaseException) -> FailureKind:
    """Return the kind of failure that an exception which ended an attempt stands for."""
    if isinstance(error, UtpError):
        return error.kind
    if isinstance(error, KeyboardInterrupt):
        return FailureKind.STOPPED
    if isinstance(error, torch.OutOfMemoryError):
        return FailureKind.OOM_GPU
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # torch's own words on a CPU
        return FailureKind.OOM_HOST
    if isinstance(error, OSError):
        return FailureKind.STORAGE_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else FailureKind.STORAGE_ERROR
    return FailureKind.LOST if _has_lost_fellow(error) else FailureKind.INTERNAL


def _has_lost_fellow(error: BaseException) -> bool:
    return isinstance(error, DistNetworkError) or any(word in str(error) for word in _LOST_WORKER)
