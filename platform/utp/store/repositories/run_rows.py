"""All that the store knows of one run, as JSON: what goes into its archive beside the files."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, select

from utp.store.database import Database
from utp.store.tables.base import Base

TABLES = ("jobs", "run_events", "checkpoints", "figures")
"""Metrics are left out: the run's own files hold them."""


def read_rows(database: Database, run_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a run by table, `runs` and what it points to among them; no rows for an unknown one."""
    tables = Base.metadata.tables
    with database.read() as connection:

        def rows(table: Table, column: str, value: object) -> list[dict[str, Any]]:
            found = connection.execute(select(table).where(table.c[column] == value).order_by(*table.primary_key))
            return [dict(row) for row in found.mappings()]

        runs = rows(tables["runs"], "id", run_id)
        pointed = {name: row[f"{name[:-1]}_id"] for row in runs for name in ("projects", "configs", "datasets")}
        own = {name: rows(tables[name], "run_id", run_id) for name in TABLES}
        return {"runs": runs, **own, **{name: rows(tables[name], "id", row_id) for name, row_id in pointed.items()}}
