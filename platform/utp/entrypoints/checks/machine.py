"""Checks of the machine itself: cores, memory, shared memory, open files, text encoding, clock."""

from __future__ import annotations

import datetime
import locale
import math
import os
import resource
import shutil
import sys
from pathlib import Path

import psutil

from utp.core.cgroup import cpu_quota, memory_limit_bytes
from utp.entrypoints.checks.finding import GIB, Finding

OLDEST_CLOCK = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
"""Before this there was no UTP: a clock that says so is wrong."""


def check_cores(quota: float | None = None) -> Finding:
    """Compare the cores that the process may run on with the time it is given on them."""
    quota = cpu_quota() if quota is None else quota
    usable = len(os.sched_getaffinity(0))
    found = f"{usable} of {os.cpu_count()} cores" + ("" if quota is None else f", time of {quota:g} of them")
    if quota is not None and quota < usable:
        threads = max(1, math.floor(quota))
        return Finding(
            "warn", found, f"set num_threads={threads}: more threads than the container's quota slow it down"
        )
    if usable < 2:
        return Finding("warn", found, "set num_workers=0, or give the process a second core to load images with")
    return Finding("ok", found)


def check_memory(available_bytes: int | None = None) -> Finding:
    """Look at the memory that is available now, within the limit of the container."""
    memory = psutil.virtual_memory()
    total = min(memory.total, memory_limit_bytes() or memory.total)
    available = min(memory.available, total) if available_bytes is None else available_bytes
    found = f"{available / GIB:.1f} of {total / GIB:.1f} GiB available"
    if available < 1 * GIB:
        return Finding("fail", found, "end other processes, or give the container more memory: torch alone needs 1 GiB")
    if available < 4 * GIB:
        return Finding("warn", found, "keep batch_size and num_workers small; each loader process takes about 0.5 GiB")
    return Finding("ok", found)


def check_shared_memory(folder: Path = Path("/dev/shm")) -> Finding:  # noqa: S108  # the kernel's own place for it
    """Look at the shared memory through which loader processes hand over batches."""
    if not folder.is_dir():
        return Finding("warn", f"{folder} is missing", "mount a tmpfs there, or set num_workers=0")
    size, _, free = shutil.disk_usage(folder)
    found = f"{free / GIB:.1f} of {size / GIB:.1f} GiB free in {folder}"
    if min(size, 2 * free) < 1 * GIB:
        return Finding(
            "warn", found, "give the container more (docker run --shm-size 8g; compose: shm_size), or set num_workers=0"
        )
    return Finding("ok", found)


def check_open_files(limit: int | None = None) -> Finding:
    """Look at how many files the process may hold open; loader processes hand batches over as open files."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    if soft == resource.RLIM_INFINITY:
        return Finding("ok", "no limit")
    if soft < 1024:
        return Finding("warn", f"at most {soft}", "raise it before training: ulimit -n 65536")
    return Finding("ok", f"at most {soft}")


def check_text_encoding() -> Finding:
    """Look at how file names and printed text are encoded; class folders may have any name."""
    encodings = {
        "file names": sys.getfilesystemencoding(),
        "files": locale.getpreferredencoding(False),
        "output": sys.stdout.encoding or "utf-8",
    }
    wrong = {name: encoding for name, encoding in encodings.items() if encoding.lower().replace("-", "") != "utf8"}
    if wrong:
        listed = ", ".join(f"{name} in {encoding}" for name, encoding in wrong.items())
        return Finding("warn", listed, "set LANG=C.UTF-8 (or PYTHONUTF8=1), or names beyond ASCII break")
    return Finding("ok", "UTF-8")


def check_clock(now: datetime.datetime | None = None) -> Finding:
    """Look whether the clock can be right; times of runs and TLS depend on it."""
    now = now or datetime.datetime.now(datetime.UTC)
    found = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now < OLDEST_CLOCK:
        return Finding("fail", found, "set the clock, best by NTP: timedatectl set-ntp true")
    return Finding("ok", found)
