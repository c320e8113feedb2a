"""Checkpoints of a run and their files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from utp.api.checkpoints.schemas import Checkpoint, CheckpointFile, CheckpointList
from utp.api.errors import FileRefused
from utp.api.files.opening import open_beneath
from utp.api.runs.access import require_run
from utp.api.schemas import to_time
from utp.api.security.permissions import Principal
from utp.api.services import Services
from utp.store.repositories.runs import CheckpointRow, RunRepository

EXPORTED = "hf"
"""Folder of the best model for `from_pretrained`; listed as if it were a checkpoint's."""
SINGLE = "files"
"""Stands for the checkpoint directory itself in addresses: `best.pt`, `epoch_007.pt`, `_best_meta.json`."""
MAX_FILES = 1000


class CheckpointService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal

    def list_checkpoints(self, run_id: str) -> CheckpointList:
        """Return the checkpoints that are recorded, each with the files that are there."""
        root = Path(require_run(self._services, self._principal, run_id).checkpoint_dir)
        rows = RunRepository(self._services.database).get(run_id).checkpoints
        single = _files(root, run_id, SINGLE) + _files(root / EXPORTED, run_id, EXPORTED)
        return CheckpointList(items=[_to_checkpoint(row, root, run_id) for row in rows], files=single)

    def open(self, run_id: str, name: str, file: str) -> BinaryIO:
        """Open a file of a checkpoint. Raises `FileRefused`, `NotFound`."""
        root = Path(require_run(self._services, self._principal, run_id).checkpoint_dir)
        if file.startswith("."):  # what is being written
            raise FileRefused(file)
        return open_beneath(root, file if name == SINGLE else f"{name}/{file}")


def _to_checkpoint(row: CheckpointRow, root: Path, run_id: str) -> Checkpoint:
    return Checkpoint(
        name=row.name,
        step=row.step,
        epoch=row.epoch,
        size_bytes=row.size_bytes,
        is_best=row.is_best,
        metric=row.metric,
        value=row.value,
        created_at=to_time(row.created_at),
        files=_files(root / row.name, run_id, row.name),
    )


def _files(folder: Path, run_id: str, name: str) -> list[CheckpointFile]:
    """Return the ordinary files of a folder, by name; none where it is gone."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
            sizes = {one.name: one.stat(follow_symlinks=False).st_size for one in found[:MAX_FILES]}
    except OSError:
        return []
    base = f"/api/v1/runs/{run_id}/checkpoints/{quote(name)}/files"
    return [
        CheckpointFile(name=file, size_bytes=size, url=f"{base}/{quote(file)}")
        for file, size in sorted(sizes.items())
        if not file.startswith(".")
    ]
