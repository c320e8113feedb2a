"""What may be done with projects, and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from utp.api.etag import check_if_match, etag_of
from utp.api.paging import PageRequest, page_in_memory
from utp.api.projects.schemas import Project, ProjectBest, ProjectCreate, ProjectMember, ProjectPage, ProjectPatch
from utp.api.schemas import to_time
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.core.catalog import is_higher_better
from utp.store.recorder.creation import CreationKey
from utp.store.repositories.project_overviews import ProjectOverview, ProjectOverviews, RecentRun

SORTS = {
    "name": lambda row: row.name,
    "created_at": lambda row: row.created_at,
    "updated_at": lambda row: row.updated_at,
    "num_runs": lambda row: sum(row.num_runs_by_state.values()),
}
EDITABLE = ("name", "description", "max_gpus", "archived_at")


class ProjectService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal
        self._overviews = ProjectOverviews(services.database)

    def list_projects(self, page: PageRequest, *, with_archived: bool) -> ProjectPage:
        """Return the projects that the principal sees."""
        rows = self._overviews.list_projects(
            ids=self._principal.project_ids, with_archived=with_archived, search=page.q
        )
        items, cursor = page_in_memory(rows, page, SORTS, "name", lambda row: row.id)
        return ProjectPage(items=[_to_project(row) for row in items], next_cursor=cursor, total=len(rows))

    def create(self, asked: ProjectCreate, creation: CreationKey | None) -> Project:
        """Make a project; who makes it becomes its member."""
        self._principal.require(None, Action.WRITE)
        project_id = self._services.recorder.add_project(
            asked.name,
            description=asked.description,
            max_gpus=asked.max_gpus,
            member_id=self._principal.id,
            creation=creation,
        )
        return _to_project(self._overviews.get(project_id))

    def get(self, project_id: str) -> tuple[Project, str]:
        """Return a project and its ETag."""
        self._principal.require(project_id, Action.READ)
        row = self._overviews.get(project_id)
        return _to_project(row), _etag(row)

    def change(self, project_id: str, asked: ProjectPatch, if_match: str | None) -> tuple[Project, str]:
        """Change what was given, where the ETag still holds."""
        self._principal.require(project_id, Action.MANAGE)
        changes = asked.model_dump(exclude_unset=True, exclude={"is_archived"})
        changes = {name: value for name, value in changes.items() if value is not None or name == "max_gpus"}

        def check(row: Mapping[str, Any]) -> None:
            check_if_match(if_match, etag_of(*(row[name] for name in EDITABLE)))

        self._services.recorder.change_project(project_id, changes, check)
        if asked.is_archived is not None:
            self._services.recorder.archive_project(project_id, is_archived=asked.is_archived)
        return self.get(project_id)

    def archive(self, project_id: str) -> None:
        """Hide a project from lists; its runs stay."""
        self._principal.require(project_id, Action.MANAGE)
        self._services.recorder.archive_project(project_id)


def _etag(row: ProjectOverview) -> str:
    return etag_of(*(getattr(row, name) for name in EDITABLE))


def _to_project(row: ProjectOverview) -> Project:
    return Project(
        id=row.id,
        name=row.name,
        description=row.description,
        created_at=to_time(row.created_at),
        updated_at=to_time(row.updated_at if row.updated_at is not None else row.created_at),
        archived_at=to_time(row.archived_at),
        num_runs=sum(row.num_runs_by_state.values()),
        num_runs_by_state=dict(row.num_runs_by_state),
        num_configs=row.num_configs,
        num_datasets=row.num_datasets,
        max_gpus=row.max_gpus,
        best=_best(row.recent),
        recent_best=[run.value for run in row.recent],
        members=[ProjectMember(user_id=user_id, name=name) for user_id, name in row.members],
    )


def _best(recent: Sequence[RecentRun]) -> ProjectBest | None:
    """Return the best of the runs that watch the same metric as the newest."""
    if not recent:
        return None
    metric = recent[-1].metric
    comparable = [run for run in recent if run.metric == metric]
    choose = max if is_higher_better(metric) is not False else min
    best = choose(comparable, key=lambda run: run.value)
    return ProjectBest(metric=metric, value=best.value, run_id=best.run_id, run_name=best.name)
