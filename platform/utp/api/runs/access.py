"""Who may do what with a run: asked once, at the beginning of every act on one."""

from __future__ import annotations

from collections.abc import Sequence

from utp.api.errors import InvalidRequest
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
    return require_runs(services, principal, [run_id], action)[0]


def require_deletable(services: Services, principal: Principal, run_id: str) -> None:
    """Raise as `require_run` for a change, but let a run through whose deletion was cut off half-way."""
    place = RunPlaces(services.database).find(run_id)
    if place is None or not principal.can(place.project_id, Action.READ):
        raise RunNotFound(run_id)
    principal.require(place.project_id, Action.WRITE)


def require_runs(
    services: Services, principal: Principal, run_ids: Sequence[str], action: Action = Action.READ
) -> list[RunPlace]:
    """Return where several runs lie and stand, in the order of their ids. Raises as `require_run`."""
    places = RunPlaces(services.database).find_many(run_ids)
    for run_id in run_ids:
        if run_id not in places or not principal.can(places[run_id].project_id, Action.READ):
            raise RunNotFound(run_id)
        principal.require(places[run_id].project_id, action)
    return [places[run_id] for run_id in run_ids]


def split_ids(text: str, field: str, *, at_least: int, at_most: int) -> list[str]:
    """Return the different ids of a list with commas. Raises `InvalidRequest`."""
    ids = list(dict.fromkeys(part for part in text.split(",") if part))
    if wrong := [one for one in ids if len(one) != 32 or not set(one) <= set("0123456789abcdef")]:
        raise InvalidRequest(field, wrong[0], "is no id", "give ids of 32 hex characters, with commas")
    if not at_least <= len(ids) <= at_most:
        raise InvalidRequest(field, len(ids), f"names {len(ids)} runs", f"name {at_least} to {at_most}")
    return ids
