"""A Ray that others started, as `ray up` does: `utp up` on its head's machine joins it, `utp down` leaves it running.

Its token is Ray's own: `RAY_AUTH_TOKEN`, `RAY_AUTH_TOKEN_PATH` or `~/.ray/auth_token`, with `RAY_AUTH_MODE=token`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import ray

from utp.cluster.actors import ask_places, end_actors, has_actors, places_of, start_actors
from utp.cluster.job_client import ClusterUnreachable, RayJobClient
from utp.cluster.joined_cluster import JOINED_FILE, JoinedCluster
from utp.cluster.ray_connection import connected
from utp.cluster.ray_nodes import list_ray_nodes
from utp.core.durable import write_json_durably
from utp.errors import ConfigError
from utp.settings import Settings

OF_ONE_PLATFORM = ("UTP_HOME", "UTP_DATABASE_URL")
LEAVE_S = 75.0
"""Ray kills a job's processes 60 s after it was asked to stop them."""


def join(address: str, settings: Settings) -> JoinedCluster:
    """Start the platform's actors on the Ray at this address.

    Raises:
        ClusterUnreachable: nothing answers there, or not with our token.
        ConfigError: this machine is not its head's, where the store has to be; it has the platform of another home; or
            it was started without our places in its environment, which its processes have theirs from.
    """
    with connected(address) as dashboard:
        head = next(node for node in list_ray_nodes() if node.is_head)
        if head.node_id != ray.get_runtime_context().get_node_id():
            problem = f"RAY_ADDRESS: the head of {address} is {head.address}, where the store has to be; run it there"
            raise ConfigError((problem,))
        if was_there := has_actors():
            _check_places(settings, OF_ONE_PLATFORM, "its platform has that home: use it there, or `utp down` it first")
        cluster = JoinedCluster(address=address, dashboard=dashboard)
        write_json_durably(settings.home / JOINED_FILE, asdict(cluster))
        start_actors(dashboard)
        try:
            if not was_there:
                _check_places(settings, places_of(settings), "start Ray with this in its environment")
        except ConfigError:
            end_actors()
            forget(settings.home)
            raise
    return cluster


def _check_places(settings: Settings, names: Iterable[str], way_out: str) -> None:
    ours, theirs = places_of(settings), ask_places()
    problems = [
        f"{name}: is {ours[name] or 'unset'} here, and {theirs[name] or 'unset'} in the processes of Ray; {way_out}"
        for name in names
        if ours[name] != theirs[name]
    ]
    if problems:
        raise ConfigError(tuple(problems))


def leave(cluster: JoinedCluster, home: Path, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """End our actors and our jobs, and wait until those are gone; Ray and what else runs on it stay.

    Raises:
        ClusterUnreachable: it is not there any more; said within seconds, where Ray's own client tries for minutes.
    """
    jobs = RayJobClient(cluster.dashboard)
    jobs.list_ours()
    with connected(cluster.address):
        end_actors()
    deadline = time.monotonic() + LEAVE_S
    asked: set[str] = set()
    while live := {job for job, status in jobs.list_ours().items() if not status.is_over}:
        for job in live - asked:
            jobs.stop(job)
        asked |= live
        if time.monotonic() > deadline:
            break  # a later attempt is fenced from them
        sleep(1.0)
    forget(home)


def forget(home: Path) -> None:
    """Keep no record of the Ray that was joined."""
    (home / JOINED_FILE).unlink(missing_ok=True)


def is_answering(cluster: JoinedCluster) -> bool:
    """Whether its jobs can be asked for."""
    try:
        RayJobClient(cluster.dashboard).report("none")
    except ClusterUnreachable:
        return False
    return True
