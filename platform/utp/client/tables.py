"""Curves as a table: pandas where it is installed, else pyarrow, else rows."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from utp.api.metrics.schemas import CurveOut

STEP, EPOCH = "step", "epoch"


def rows_of(curves: Sequence[CurveOut]) -> list[dict[str, Any]]:
    """Return a row a step, with `step`, `epoch` and a column a curve; None where a curve has no point."""
    names = [curve.name for curve in curves]
    rows: dict[int, dict[str, Any]] = {}
    for curve in curves:
        for index, (step, value) in enumerate(zip(curve.steps, curve.values, strict=True)):
            row = rows.setdefault(step, {STEP: step, EPOCH: None, **dict.fromkeys(names)})
            row[curve.name] = value
            if curve.epochs is not None:
                row[EPOCH] = curve.epochs[index] if row[EPOCH] is None else row[EPOCH]
    return [rows[step] for step in sorted(rows)]


def table_of(curves: Sequence[CurveOut]) -> Any:
    """Return a pandas DataFrame with the step as its index, a pyarrow Table, or the rows: the first that can be had."""
    rows = rows_of(curves)
    if find_spec("pandas") is not None:
        columns = [STEP, EPOCH, *(curve.name for curve in curves)]
        return import_module("pandas").DataFrame(rows, columns=columns).set_index(STEP)
    if find_spec("pyarrow") is not None:
        return import_module("pyarrow").Table.from_pylist(rows)
    return rows
