"""Keeps freed memory in this process, which makes training on a CPU up to three times as fast."""

from __future__ import annotations

import ctypes
import platform

# From glibc's malloc.h; see mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Tell glibc's malloc to hand out memory that was freed before in place of new pages; say whether it was told.

    A step allocates the same large tensors again and again. By default each comes from the kernel and goes back to it,
    and the kernel clears every page anew: for EfficientNet-Lite0 at 224 px that was 2.5 of 3.7 CPU seconds a step.
    The process then never shrinks below its peak, which was 5 % higher there.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    is_told = bool(libc.mallopt(_M_MMAP_MAX, 0))  # no block of its own for a large tensor
    return bool(libc.mallopt(_M_TRIM_THRESHOLD, -1)) and is_told  # -1: never give the end of the heap back
