"""Figures of a run, and the numbers beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

from utp.api.figures.schemas import Figure, FigureData, FigureList
from utp.api.files.opening import open_beneath, read_beneath
from utp.api.runs.access import require_run
from utp.api.security.permissions import Principal
from utp.api.services import Services
from utp.store.errors import Conflict, NotFound
from utp.store.repositories.runs import FigureRow, RunRepository

MAX_JSON_BYTES = 32 << 20
_TITLES = {
    "confusion_matrix": "Confusion matrix",
    "roc_micro": "ROC curve (micro average)",
    "reliability": "Reliability",
    "per_class": "Metrics by class",
}


class FigureService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal

    def list_figures(self, run_id: str) -> FigureList:
        """Return the figures that are recorded."""
        run_dir = self._run_dir(run_id)
        rows = RunRepository(self._services.database).get(run_id).figures
        return FigureList(items=[_to_figure(row, run_dir, run_id) for row in rows])

    def open_png(self, run_id: str, name: str) -> BinaryIO:
        """Open the picture. Raises `NotFound`."""
        return open_beneath(self._run_dir(run_id), f"figures/{name}.png")

    def read_data(self, run_id: str, name: str) -> FigureData:
        """Return the numbers. Raises `NotFound`."""
        return FigureData(name=name, content=read_figure_json(self._run_dir(run_id), name))

    def _run_dir(self, run_id: str) -> Path:
        return Path(require_run(self._services, self._principal, run_id).run_dir)


def read_figure_json(run_dir: Path, name: str) -> dict[str, Any]:
    """Return what a run wrote beside a figure. Raises `NotFound`, `Conflict` for a file that is no JSON object."""
    try:
        text = read_beneath(run_dir, f"figures/{name}.json", MAX_JSON_BYTES)
        content = json.loads(text, parse_constant=lambda _nan: None)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Conflict(f"the numbers of figure {name} are damaged", "evaluate the run anew")
    return content


def _to_figure(row: FigureRow, run_dir: Path, run_id: str) -> Figure:
    base = f"/api/v1/runs/{run_id}/figures/{row.name}"
    try:
        data: dict[str, Any] | None = read_figure_json(run_dir, row.name)
    except (NotFound, Conflict):
        data = None
    kind, _, split = row.name.rpartition("_")
    return Figure(
        name=row.name,
        title=f"{_TITLES.get(kind, kind.replace('_', ' '))}, {split}" if kind else row.name,
        step=data["step"] if data and isinstance(data.get("step"), int) else row.step,
        epoch=data["epoch"] if data and isinstance(data.get("epoch"), int) else None,
        url=base,
        data_url=f"{base}/data" if data else None,
    )
