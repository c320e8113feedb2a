"""Bodies of experiment groups."""

from __future__ import annotations

from utp.api.schemas import Answer, Asked, Id, Name, Page, Text, Time


class GroupCreate(Asked):
    """A group to make."""

    name: Name
    description: Text = ""


class GroupPatch(Asked):
    """What to change; what is left out stays."""

    name: Name | None = None
    description: Text | None = None


class Group(Answer):
    """Runs of a project that answer one question."""

    id: Id
    project_id: Id
    name: str
    description: str
    num_runs: int
    created_at: Time


class GroupPage(Page[Group]):
    """Groups."""
