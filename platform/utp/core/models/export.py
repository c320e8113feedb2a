"""Writes a model as a directory that `from_pretrained` and `pipeline` load, whole or not at all."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from transformers import PreTrainedModel

from utp.core.durable import fsync_directory, fsync_file, rename_durably
from utp.core.models.quiet import quiet_transformers

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


def export_pretrained(
    model: PreTrainedModel, preprocessor_dir_writer: Callable[[Path], None], directory: Path, *, card: str
) -> None:
    """Write config.json, model.safetensors, what `preprocessor_dir_writer` writes, and `card` as README.md.

    All is written and made durable beside `directory`, then takes its place; a crash leaves the old one or the new one.
    One writer at a time: what an earlier, killed one left behind is removed.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    staged = directory.with_name(f".{directory.name}.new")
    _put_back_after_a_crash(directory)
    shutil.rmtree(staged, ignore_errors=True)
    try:
        staged.mkdir()
        with quiet_transformers():
            _save(model, staged)
        preprocessor_dir_writer(staged)
        (staged / "README.md").write_text(card, encoding="utf-8")
        _make_durable(staged)
        _swap_in(staged, directory)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _save(model: PreTrainedModel, directory: Path) -> None:
    """Write config and weights. Raises `OSError` where the disk refuses: safetensors tells its number as text alone."""
    try:
        model.save_pretrained(directory)
    except SafetensorError as error:
        if number := _OS_ERROR.search(str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(directory)) from error
        raise


def _make_durable(directory: Path) -> None:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            fsync_file(path)
        else:
            fsync_directory(path)
    fsync_directory(directory)


def _swap_in(staged: Path, directory: Path) -> None:
    """Give `staged` the name `directory`; what had it is gone or at `staged` afterwards."""
    if not directory.exists():
        rename_durably(staged, directory)
    elif _exchange(staged, directory):
        fsync_directory(directory.parent)
    else:
        retired = _retired(directory)
        rename_durably(directory, retired)
        rename_durably(staged, directory)
        shutil.rmtree(retired)


def _exchange(left: Path, right: Path) -> bool:
    """Swap two directories in one step, as no rename replaces a filled one; false where that can't be (NFS, macOS)."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(left), _AT_FDCWD, os.fsencode(right), _RENAME_EXCHANGE) == 0)


def _put_back_after_a_crash(directory: Path) -> None:
    retired = _retired(directory)
    if retired.exists() and not directory.exists():
        rename_durably(retired, directory)
    shutil.rmtree(retired, ignore_errors=True)


def _retired(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}.old")
