"""Who may do what with a run: asked once, at the beginning of every act on one."""

from __future__ import annotations

from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.store.errors import RunNotFound
from utp.store.repositories.run_places import RunPlace, RunPlaces


def require_run(services: Services, principal: Principal, run_id: str, action: Action = Action.READ) -> RunPlace:
    """Return where a run lies and stands.

    Raises:
        RunNotFound: there is none, or it is of a project that the principal does not see.
        Forbidden: it may be seen, but not changed.
    """
    place = RunPlaces(services.database).find(run_id)
    if place is None or not principal.can(place.project_id, Action.READ):
        raise RunNotFound(run_id)
    principal.require(place.project_id, action)
    return place
