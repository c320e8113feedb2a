"""What may be done with experiment groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from utp.api.etag import check_if_match, etag_of
from utp.api.groups.schemas import Group, GroupCreate, GroupPage, GroupPatch
from utp.api.paging import PageRequest, page_in_memory
from utp.api.schemas import to_time
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.store.errors import NotFound
from utp.store.recorder.creation import CreationKey
from utp.store.repositories.project_overviews import ProjectOverviews
from utp.store.repositories.saved_configs import GroupRepository, GroupRow

SORTS = {"name": lambda row: row.name, "created_at": lambda row: row.created_at, "num_runs": lambda row: row.num_runs}
EDITABLE = ("name", "description")


class GroupService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal
        self._groups = GroupRepository(services.database)

    def list_groups(self, project_id: str, page: PageRequest) -> GroupPage:
        """Return the groups of a project."""
        self._principal.require(project_id, Action.READ)
        ProjectOverviews(self._services.database).check_exists(project_id)
        rows = [row for row in self._groups.list_groups(project_id) if (page.q or "").lower() in row.name.lower()]
        items, cursor = page_in_memory(rows, page, SORTS, "name", lambda row: row.id)
        return GroupPage(items=[_to_group(row) for row in items], next_cursor=cursor, total=len(rows))

    def create(self, project_id: str, asked: GroupCreate, creation: CreationKey | None) -> Group:
        """Make a group."""
        self._principal.require(project_id, Action.WRITE)
        ProjectOverviews(self._services.database).check_exists(project_id)
        group_id = self._services.recorder.add_group(
            project_id, asked.name, description=asked.description, creation=creation
        )
        return _to_group(self._groups.get(group_id))

    def get(self, group_id: str) -> tuple[Group, str]:
        """Return a group and its ETag."""
        row = self._require(group_id, Action.READ)
        return _to_group(row), etag_of(row.name, row.description)

    def change(self, group_id: str, asked: GroupPatch, if_match: str | None) -> tuple[Group, str]:
        """Change what was given, where the ETag still holds."""
        self._require(group_id, Action.WRITE)

        def check(row: Mapping[str, Any]) -> None:
            check_if_match(if_match, etag_of(*(row[name] for name in EDITABLE)))

        changes = asked.model_dump(exclude_unset=True, exclude_none=True)
        self._services.recorder.change_group(group_id, changes, check)
        return self.get(group_id)

    def delete(self, group_id: str) -> None:
        """Dissolve a group."""
        self._require(group_id, Action.WRITE)
        self._services.recorder.delete_group(group_id)

    def _require(self, group_id: str, action: Action) -> GroupRow:
        row = self._groups.get(group_id)
        if not self._principal.can(row.project_id, Action.READ):
            raise NotFound("group", group_id)
        self._principal.require(row.project_id, action)
        return row


def _to_group(row: GroupRow) -> Group:
    return Group(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        description=row.description,
        num_runs=row.num_runs,
        created_at=to_time(row.created_at),
    )
