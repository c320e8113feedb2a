"""Bodies of TensorBoard."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from utp.api.schemas import Answer, Asked, Id
from utp.api.tensorboard.keys import MAX_RUNS


class TensorBoardOpen(Asked):
    """What to show: some runs, or a project."""

    run_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_RUNS)] | None = None
    project_id: Id | None = None


class TensorBoard(Answer):
    """A TensorBoard."""

    url: str
    """Path on this server; it may be shown in a frame of our own page."""
    state: Literal["starting", "ready"]
    """A request that comes while it starts waits for it."""
