"""Names the cause of a failed attempt, so that the state of a run says more than `failed`."""

from __future__ import annotations

import errno

import torch

from utp.errors import FailureKind, UtpError


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
    return FailureKind.INTERNAL
