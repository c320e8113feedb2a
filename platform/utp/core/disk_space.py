"""Room on the disk for checkpoints: looked at when a run begins, and before each save writes its first byte."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from utp.core.state import OPTIMIZER_FILE, TrainState

MARGIN = 1.2
"""Room that a save needs over the bytes of its tensors: for headers, blocks begun, and who else writes meanwhile."""

_MOMENTS = 2
"""That an optimizer keeps of each parameter, assumed before its first step makes them: Adam's; others have fewer."""


def free_bytes(directory: Path) -> int | None:
    """Return what this user may still write there; None where the file system does not say."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize if found.f_blocks else None


def check_room(directory: Path, num_bytes: int) -> None:
    """Raise `OSError`, as a full disk does, where there is too little room to write so much.

    A quota that the file system does not count in is met in the middle of the writing, as ever.
    """
    free, needed = free_bytes(directory), round(MARGIN * num_bytes)
    if free is not None and free < needed:
        problem = f"{_shown(needed)} have to be free, and {_shown(free)} are"
        raise OSError(errno.ENOSPC, problem, str(directory))


def describe_shortage(directory: Path, state: TrainState, keep_last: int, num_there: int) -> str | None:
    """Return a sentence where the disk won't take all that a run keeps: `keep_last`, the best, and the one under way.

    `num_there` of them are on the disk.
    """
    free, size, count = free_bytes(directory), _checkpoint_bytes(state), max(1, keep_last + 2 - num_there)
    if free is None or free >= count * size:
        return None
    room = f"{count} checkpoints of {_shown(size)} each" if count > 1 else f"a checkpoint of {_shown(size)}"
    return (
        f"{directory} has {_shown(free)} free, less than {room} will take: "
        f"free some space, or lower keep_last ({keep_last}), or some will not be written"
    )


def num_bytes(tensors: Iterable[Tensor]) -> int:
    """Return what tensors take in a file."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _checkpoint_bytes(state: TrainState) -> int:
    files = state.tensors()
    known = sum(num_bytes(tensors.values()) for tensors in files.values())
    if files[OPTIMIZER_FILE]:
        return known
    return known + _MOMENTS * num_bytes(p for p in state.model.parameters() if p.requires_grad)


def _shown(size_bytes: int) -> str:
    unit, name = next((one for one in ((1e9, "GB"), (1e6, "MB")) if size_bytes >= one[0]), (1e3, "kB"))
    return f"{size_bytes / unit:.1f} {name}"
