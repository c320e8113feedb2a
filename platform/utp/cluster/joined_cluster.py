"""The record of a Ray that others started and the platform of this home joined. Imports no Ray."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utp.core.journal import read_json

JOINED_FILE = "joined.json"


@dataclass(frozen=True, kw_only=True)
class JoinedCluster:
    """What `joined.json` says."""

    address: str
    """As it was in RAY_ADDRESS."""
    dashboard: str


def find_joined(home: Path) -> JoinedCluster | None:
    """Return the Ray that the platform of this home joined, alive or not."""
    content = read_json(home / JOINED_FILE)
    return JoinedCluster(**content) if content else None
