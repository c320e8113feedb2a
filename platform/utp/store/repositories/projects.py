"""Projects, and how many runs of each are in which state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from utp.store.database import Database
from utp.store.states import RunState
from utp.store.tables.project import Project
from utp.store.tables.run import Run


@dataclass(frozen=True, kw_only=True)
class ProjectRow:
    """One project; times are seconds since 1970, UTC."""

    id: str
    name: str
    description: str
    max_gpus: int | None
    """GPUs that its runs may hold together; none means no limit."""
    created_at: float
    archived_at: float | None
    num_runs: Mapping[RunState, int]


class ProjectRepository:
    """Queries over projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_projects(self) -> list[ProjectRow]:
        """Return the projects by name."""
        columns = [getattr(Project, name) for name in ProjectRow.__dataclass_fields__ if name != "num_runs"]
        counts = select(Run.project_id, Run.state, func.count()).group_by(Run.project_id, Run.state)
        with self._database.read() as connection:
            num_runs: dict[str, dict[RunState, int]] = defaultdict(dict)
            for project_id, state, count in connection.execute(counts):
                num_runs[project_id][state] = count
            rows = connection.execute(select(*columns).order_by(Project.name))
            return [ProjectRow(**row._mapping, num_runs=num_runs[row.id]) for row in rows]
