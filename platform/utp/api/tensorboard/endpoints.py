"""TensorBoards over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from utp.api.dependencies import PrincipalDep, ServicesDep
from utp.api.routes import api_router
from utp.api.tensorboard.keys import PATTERN
from utp.api.tensorboard.schemas import TensorBoard, TensorBoardOpen
from utp.api.tensorboard.service import TensorBoardService

router = api_router("tensorboard", "/tensorboard")


@router.post("", operation_id="open_tensorboard")
def open_tensorboard(services: ServicesDep, principal: PrincipalDep, asked: TensorBoardOpen) -> TensorBoard:
    """Open a TensorBoard on some runs or on a project; the same again returns the same."""
    return TensorBoardService(services, principal).start(asked)


@router.get("/{key}", operation_id="get_tensorboard")
def get_tensorboard(
    services: ServicesDep, principal: PrincipalDep, key: Annotated[str, Path(pattern=PATTERN)]
) -> TensorBoard:
    """Return whether a TensorBoard is ready; one that has ended is started again."""
    return TensorBoardService(services, principal).find(key)
