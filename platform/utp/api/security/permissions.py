"""THE ONE TABLE of who may do what: role of the user, scope of the token, member of the project or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from utp.api.errors import Forbidden
from utp.store.access import Role, Scope
from utp.store.errors import NotFound

PRINCIPAL = "utp.principal"
"""Key of an ASGI scope: who makes the request."""


class Action(StrEnum):
    """What somebody may want."""

    READ = "read"
    """See a project and what is in it; without a project: see machines and the queue."""
    WRITE = "write"
    """Create and change runs, configs, datasets, models of a project; without a project: create one."""
    MANAGE = "manage"
    """Change, archive and delete a project and its members."""
    OPERATE = "operate"
    """Drain machines, quarantine GPUs, reorder the queue."""
    ADMINISTER = "administer"
    """Users, their roles, the audit trail."""


ROLES: Mapping[Role, frozenset[Action]] = {
    Role.ADMIN: frozenset(Action),
    Role.MEMBER: frozenset({Action.READ, Action.WRITE, Action.MANAGE}),
    Role.VIEWER: frozenset({Action.READ}),
}
SCOPES: Mapping[Scope, frozenset[Action]] = {
    Scope.ADMIN: frozenset(Action),
    Scope.WRITE: frozenset({Action.READ, Action.WRITE, Action.MANAGE}),
    Scope.READ: frozenset({Action.READ}),
}
SEES_ALL_PROJECTS = frozenset({Role.ADMIN})
"""All others see the projects that they are members of."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who makes the request."""

    id: str
    name: str
    role: Role
    scope: Scope = Scope.ADMIN
    """Of the token; a browser's session has the widest."""
    project_ids: frozenset[str] | None
    """Projects that they see; None: all."""

    def can(self, project_id: str | None, action: Action) -> bool:
        """Whether it is allowed in this project, or (None) beyond projects."""
        if action not in ROLES[self.role] or action not in SCOPES[self.scope]:
            return False
        return project_id is None or self.project_ids is None or project_id in self.project_ids

    def require(self, project_id: str | None, action: Action, *, what: str = "project", id: str = "") -> None:  # noqa: A002
        """Raise `NotFound` for what is not to be seen at all, `Forbidden` for what may only be seen."""
        if self.can(project_id, action):
            return
        if project_id is not None and not self.can(project_id, Action.READ):
            raise NotFound(what, id or project_id)
        raise Forbidden(f"{action} here", self._way_out(action))

    def _way_out(self, action: Action) -> str:
        if action in ROLES[self.role]:
            return f"your token's scope is {self.scope}; create one with a wider scope"
        return f"your role is {self.role}; ask an admin"


def check_own_tokens(principal: Principal) -> None:
    """Raise `Forbidden` for who is signed in with a token that only reads: it neither ends tokens nor outlives itself.

    A viewer's own tokens are the viewer's affair, so it is the scope that counts here and not the role.
    """
    if principal.scope is Scope.READ:
        raise Forbidden("change your tokens", "your token's scope is read; sign in, or use one with a wider scope")


def check_scope(principal: Principal, scope: Scope) -> None:
    """Raise `Forbidden` for a new token that could do more than what the principal is signed in with."""
    check_own_tokens(principal)
    if not SCOPES[scope] <= SCOPES[principal.scope]:
        raise Forbidden("make a token of a wider scope than your own", f"choose {principal.scope}, or sign in anew")
