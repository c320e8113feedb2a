"""What is up of the platform of a home, told without Ray's own client, in a fraction of a second."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from utp.cluster.joined_cluster import JoinedCluster, find_joined
from utp.cluster.local_ray import LocalCluster, find_local, is_answering


class PlatformState(StrEnum):
    """Where the platform stands."""

    UP = "up"
    STARTING = "starting"
    SILENT = "silent"
    DIED = "died"
    ABSENT = "absent"


SENTENCES = {
    PlatformState.UP: "utp is up",
    PlatformState.STARTING: "utp is not up yet: `utp up` is at work, or was broken off; run it again then",
    PlatformState.SILENT: "utp is down: Ray does not answer; `utp down --now` ends it, `utp up` starts it anew",
    PlatformState.DIED: "utp is down: Ray died (its process is gone); `utp up` starts it",
    PlatformState.ABSENT: "utp is down: Ray was not started; `utp up` starts it",
}
"""What people are told of it, with the way out."""


def find_cluster(home: Path) -> LocalCluster | JoinedCluster | None:
    """Return the Ray that the platform of this home is on, or was."""
    return find_local(home) or find_joined(home)


def look_at(cluster: LocalCluster | JoinedCluster | None) -> PlatformState:
    """Return where the platform stands; asks Ray's dashboard, which gets up to 10 s to answer."""
    if cluster is None:
        return PlatformState.ABSENT
    if isinstance(cluster, JoinedCluster):
        from utp.cluster.joined_ray import is_answering as is_joined_answering  # noqa: PLC0415  it imports Ray

        return PlatformState.UP if is_joined_answering(cluster) else PlatformState.SILENT
    if not cluster.is_alive:
        return PlatformState.DIED
    if not cluster.is_ready:
        return PlatformState.STARTING
    return PlatformState.UP if is_answering(cluster) else PlatformState.SILENT
