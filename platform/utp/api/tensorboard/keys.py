"""Keys of TensorBoards: each names what it shows, so that every replica of the API can open it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

MAX_RUNS = 20
PATTERN = rf"^(project-[0-9a-f]{{32}}|runs(-[0-9a-f]{{32}}){{1,{MAX_RUNS}}})$"
"""`project-ID`, or `runs-ID-ID`."""


@dataclass(frozen=True, kw_only=True)
class BoardKey:
    """A project, or else some runs."""

    project_id: str | None = None
    run_ids: tuple[str, ...] = ()
    """In their order as texts: the same set has one key."""

    def __str__(self) -> str:
        return f"project-{self.project_id}" if self.project_id else "-".join(("runs", *self.run_ids))


def key_of_runs(run_ids: Collection[str]) -> BoardKey:
    """Return the key of a set of runs."""
    return BoardKey(run_ids=tuple(sorted(set(run_ids))))


def read_key(text: str) -> BoardKey | None:
    """Return what a key names; None for a text that is none, or not the one of its set."""
    if not re.fullmatch(PATTERN, text, flags=re.ASCII):
        return None
    kind, *ids = text.split("-")
    key = BoardKey(project_id=ids[0]) if kind == "project" else key_of_runs(ids)
    return key if str(key) == text else None
