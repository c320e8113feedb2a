"""Checks of the folders that runs are written to and read from."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from utp.core.durable import rename_durably, write_bytes_durably
from utp.entrypoints.checks.finding import GIB, Finding
from utp.settings import get_settings

SLOW_COMMIT_S = 2.0
CLOCK_SKEW_S = 5.0


@dataclass(frozen=True)
class CommitTrial:
    """How a small trial commit went: its duration, and how far the file server's clock is ahead of ours."""

    seconds: float
    skew_s: float


def try_commit(folder: Path) -> CommitTrial:
    """Do in `folder` what committing a checkpoint does, and leave nothing there. Raises `OSError` where it can't."""
    staging = folder / f".utp-doctor-{secrets.token_hex(4)}"
    committed = staging.with_name(f"{staging.name}-committed")
    started = time.perf_counter()
    try:
        staging.mkdir()
        write_bytes_durably(staging / "trial", b"trial")
        skew_s = (staging / "trial").stat().st_mtime - time.time()
        rename_durably(staging, committed)
        if (committed / "trial").read_bytes() != b"trial":
            raise OSError(f"a file written to {folder} reads back otherwise")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(committed, ignore_errors=True)
    return CommitTrial(time.perf_counter() - started, skew_s)


def check_runs_folder() -> Finding:
    """Check `SHARED_LOGS_DIR`, or the current folder where it is not set."""
    mount = get_settings().shared_logs_dir
    if mount is not None and not mount.is_dir():
        return Finding("fail", f"SHARED_LOGS_DIR={mount} is no folder", f"mount it, or: mkdir -p {mount}")
    return judge_folder(mount or Path.cwd(), "SHARED_LOGS_DIR" if mount else "current folder")


def check_cache_folder() -> Finding:
    """Check `UTP_CACHE_DIR`, or what will become its parent while it is not there."""
    cache = get_settings().cache_dir.absolute()
    existing = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    return judge_folder(existing, "UTP_CACHE_DIR")


def check_datasets_folder() -> Finding:
    """Check that `DATASETS_DIR` can be read."""
    return judge_readable(get_settings().datasets_dir, "DATASETS_DIR")


def check_models_folder() -> Finding:
    """Check that `MODELS_DIR` can be read."""
    return judge_readable(get_settings().models_dir, "MODELS_DIR")


def judge_folder(folder: Path, what: str, free_bytes: int | None = None) -> Finding:
    """Try a commit in `folder` and look at the space left."""
    try:
        trial = try_commit(folder)
    except OSError as error:
        problem = error.strerror or str(error)
        return Finding(
            "fail",
            f"{folder} can't be written: {problem}",
            f"give this user the right to write there, or set {what} to another folder",
        )
    free = shutil.disk_usage(folder).free if free_bytes is None else free_bytes
    found = f"{folder}: {free / GIB:.1f} GiB free, a commit takes {trial.seconds * 1000:.0f} ms"
    if free < 2 * GIB:
        return Finding("fail", found, "free some space: a checkpoint that does not fit ends the run")
    if free < 20 * GIB:
        return Finding("warn", found, "watch it: a checkpoint of a large model with its optimizer takes 1 to 5 GiB")
    if abs(trial.skew_s) > CLOCK_SKEW_S:
        return Finding(
            "warn",
            f"{found}; its clock is {trial.skew_s:+.0f} s off",
            "set this machine's and the file server's clocks by NTP",
        )
    if trial.seconds > SLOW_COMMIT_S:
        return Finding("warn", found, "a slow file system: save less often, and keep datasets elsewhere")
    return Finding("ok", found)


def judge_readable(mount: Path | None, variable: str) -> Finding:
    """Check that a mount, if it is set, is a folder that can be listed."""
    if mount is None:
        return Finding("ok", f"{variable} is not set: ordinary local paths")
    if not mount.is_dir():
        return Finding("fail", f"{variable}={mount} is no folder", f"mount it, or unset {variable}")
    if not os.access(mount, os.R_OK | os.X_OK):
        return Finding("fail", f"{variable}={mount} can't be read", "give this user the right to read it")
    return Finding("ok", f"{mount}: {sum(1 for _ in mount.iterdir())} entries")
