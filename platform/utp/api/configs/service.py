"""What may be done with named configs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from utp.api.configs.schemas import Config, ConfigCreate, ConfigDiff, ConfigPage, ConfigPatch
from utp.api.configs.training import changed_fields, diff_configs, require_config
from utp.api.etag import check_if_match, etag_of
from utp.api.paging import PageRequest, page_in_memory
from utp.api.schemas import to_time
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.config.loading import parse_config
from utp.store.errors import NotFound
from utp.store.recorder.creation import CreationKey
from utp.store.repositories.project_overviews import ProjectOverviews
from utp.store.repositories.saved_configs import SavedConfigRepository, SavedConfigRow

SORTS = {
    "name": lambda row: row.name,
    "created_at": lambda row: row.created_at,
    "updated_at": lambda row: row.updated_at,
    "num_runs": lambda row: row.num_runs,
}
EDITABLE = ("name", "description", "config_id", "archived_at")


class ConfigService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal
        self._configs = SavedConfigRepository(services.database)

    def list_configs(self, project_id: str, page: PageRequest, *, with_archived: bool) -> ConfigPage:
        """Return the named configs of a project."""
        self._principal.require(project_id, Action.READ)
        ProjectOverviews(self._services.database).check_exists(project_id)
        rows = self._configs.list_configs(project_id, with_archived=with_archived, search=page.q)
        items, cursor = page_in_memory(rows, page, SORTS, "-updated_at", lambda row: row.id)
        return ConfigPage(items=[_to_config(row) for row in items], next_cursor=cursor, total=len(rows))

    def create(self, asked: ConfigCreate, creation: CreationKey | None) -> Config:
        """Save a config."""
        self._principal.require(asked.project_id, Action.WRITE)
        ProjectOverviews(self._services.database).check_exists(asked.project_id)
        saved_id = self._services.recorder.save_config(
            asked.project_id,
            asked.name,
            require_config(asked.config, self._services.settings),
            description=asked.description,
            created_by=self._principal.name,
            creation=creation,
        )
        return _to_config(self._configs.get(saved_id))

    def get(self, config_id: str) -> tuple[Config, str]:
        """Return a config and its ETag."""
        row = self.require(config_id, Action.READ)
        return _to_config(row), etag_of(*(getattr(row, name) for name in EDITABLE))

    def change(self, config_id: str, asked: ConfigPatch, if_match: str | None) -> tuple[Config, str]:
        """Change what was given, where the ETag still holds."""
        self.require(config_id, Action.WRITE)
        config = None if asked.config is None else require_config(asked.config, self._services.settings)

        def check(row: Mapping[str, Any]) -> None:
            check_if_match(if_match, etag_of(*(row[name] for name in EDITABLE)))

        changes = asked.model_dump(exclude_unset=True, exclude_none=True, exclude={"config", "is_archived"})
        self._services.recorder.change_saved_config(config_id, changes, config, check)
        if asked.is_archived is not None:
            self._services.recorder.archive_saved_config(config_id, is_archived=asked.is_archived)
        return self.get(config_id)

    def archive(self, config_id: str) -> None:
        """Hide a config from lists."""
        self.require(config_id, Action.WRITE)
        self._services.recorder.archive_saved_config(config_id)

    def clone(self, config_id: str, name: str, creation: CreationKey | None) -> Config:
        """Save the same content under another name."""
        row = self.require(config_id, Action.WRITE)
        saved_id = self._services.recorder.save_config(
            row.project_id,
            name,
            parse_config(row.config),
            description=row.description,
            created_by=self._principal.name,
            creation=creation,
        )
        return _to_config(self._configs.get(saved_id))

    def diff(self, a: str, b: str) -> ConfigDiff:
        """Return where two configs differ."""
        first, second = (self.require(config_id, Action.READ) for config_id in (a, b))
        return ConfigDiff(fields=diff_configs(first.config, second.config))

    def require(self, config_id: str, action: Action) -> SavedConfigRow:
        """Return a named config with which the principal may do this. Raises `NotFound`, `Forbidden`."""
        row = self._configs.get(config_id)
        if not self._principal.can(row.project_id, Action.READ):
            raise NotFound("config", config_id)
        self._principal.require(row.project_id, action)
        return row


def _to_config(row: SavedConfigRow) -> Config:
    return Config(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        description=row.description,
        config=dict(row.config),
        changed_fields=changed_fields(row.config),
        num_runs=row.num_runs,
        created_by=row.created_by,
        created_at=to_time(row.created_at),
        updated_at=to_time(row.updated_at),
        archived_at=to_time(row.archived_at),
    )
