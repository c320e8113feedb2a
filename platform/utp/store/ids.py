"""Ids of rows: UUIDs of version 7 (RFC 9562) as 32 hex characters, sortable by the time they were made."""

from __future__ import annotations

import os
import time


def new_id() -> str:
    """Return 48 bits of milliseconds, 12 bits of the fraction (0.24 us each), 62 random bits, version and variant."""
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    fraction = rest_ns * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8)) >> 2
    return f"{milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random:032x}"


def submission_id(run_id: str, attempt: int) -> str:
    """Return the name that Ray knows an attempt by; it holds nothing that a shell could take for more than a word."""
    return f"run-{run_id}-a{attempt}"
