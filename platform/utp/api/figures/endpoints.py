"""Figures over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from starlette.responses import Response

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.figures.schemas import FigureData, FigureList
from utp.api.figures.service import FigureService
from utp.api.files.sending import send_file
from utp.api.routes import api_router

router = api_router("figures", "/runs/{run_id}/figures")

FigurePath = Annotated[str, Path(pattern="^[0-9A-Za-z_][0-9A-Za-z_@-]{0,99}$")]
PNG: dict[int | str, dict[str, Any]] = {200: {"description": "The picture.", "content": {"image/png": {}}}}


@router.get("", operation_id="list_figures")
def list_figures(services: ServicesDep, principal: PrincipalDep, run_id: IdPath) -> FigureList:
    """List the figures of a run."""
    return FigureService(services, principal).list_figures(run_id)


@router.get("/{name}", operation_id="get_figure", response_class=Response, responses=PNG)
def get_figure(services: ServicesDep, principal: PrincipalDep, run_id: IdPath, name: FigurePath) -> Response:
    """Send a figure as PNG."""
    opened = FigureService(services, principal).open_png(run_id, name)
    return send_file(opened, f"{name}.png", "image/png", is_shown=True)


@router.get("/{name}/data", operation_id="get_figure_data")
def get_figure_data(services: ServicesDep, principal: PrincipalDep, run_id: IdPath, name: FigurePath) -> FigureData:
    """Return the numbers of a figure or of a table: `confusion_matrix_val`, `per_class_test`, ..."""
    return FigureService(services, principal).read_data(run_id, name)
