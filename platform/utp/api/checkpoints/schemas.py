"""Bodies of checkpoints."""

from __future__ import annotations

from utp.api.schemas import Answer, Time


class CheckpointFile(Answer):
    """One file of a checkpoint."""

    name: str
    size_bytes: int
    url: str


class Checkpoint(Answer):
    """One committed checkpoint."""

    name: str
    step: int
    epoch: int
    size_bytes: int
    is_best: bool
    metric: str | None
    value: float | None
    created_at: Time
    files: list[CheckpointFile]
    """Empty where the directory is gone."""


class CheckpointList(Answer):
    """Checkpoints of a run, by step; `files` are those beside them, such as `best.pt`."""

    items: list[Checkpoint]
    files: list[CheckpointFile]
