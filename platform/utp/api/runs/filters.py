"""The filter of a list of runs, from its query parameters."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from utp.api.dependencies import PrincipalDep
from utp.api.errors import InvalidRequest
from utp.api.schemas import ID_PATTERN
from utp.store.repositories.run_lists import RunFilter
from utp.store.states import RunState

IdQuery = Annotated[str | None, Query(pattern=ID_PATTERN)]
TextQuery = Annotated[str | None, Query(min_length=1, max_length=200)]


async def _run_filter(
    principal: PrincipalDep,
    *,
    group_id: IdQuery = None,
    state: Annotated[str | None, Query(max_length=200, description="States, separated by commas.")] = None,
    owner: TextQuery = None,
    tag: TextQuery = None,
    archived: Annotated[bool, Query(description="List archived runs too.")] = False,
    q: Annotated[str | None, Query(max_length=200, description="Text in name, owner, notes, tags.")] = None,
) -> RunFilter:
    return RunFilter(
        project_ids=principal.project_ids,
        group_id=group_id,
        states=None if state is None else parse_states(state),
        owner=owner,
        tag=tag,
        search=q,
        with_archived=archived,
    )


FilterDep = Annotated[RunFilter, Depends(_run_filter)]


def parse_states(text: str) -> list[RunState]:
    """Return the states of a list separated by commas. Raises `InvalidRequest`."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    known = {str(state) for state in RunState}
    for name in names:
        if name not in known:
            raise InvalidRequest("state", name, "is no state of a run", f"use some of: {', '.join(sorted(known))}")
    return [RunState(name) for name in names]
