"""`utp down`: runs save and are queued again, then everything that `utp up` started ends."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from utp.cluster.joined_cluster import JoinedCluster, find_joined
from utp.cluster.local_ray import LocalCluster, find_local, stop_local
from utp.cluster.shutdown import ask_all, close_admission, save_and_queue_again, settle_all
from utp.entrypoints.console import stderr, stdout
from utp.entrypoints.web_address import forget_web
from utp.settings import Settings, get_settings
from utp.store.database import Database, open_database
from utp.store.errors import WrongRevision
from utp.store.repositories.run_queue import ActiveRow, QueueRepository

SAVE_S = 120.0
"""What a run gets by default to reach its next step, save and leave."""
MAX_NAMED = 3
"""Runs that the countdown names."""


def down(
    now: Annotated[bool, typer.Option("--now", help="Don't wait for runs to save: end all at once.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds that runs get to save.")] = SAVE_S,
) -> None:
    """End what `utp up` started; all data stays.

    Runs save and are queued again; they go on at the next `utp up`. Ctrl-C ends the wait for them.
    """
    settings = get_settings()
    cluster = find_local(settings.home) or find_joined(settings.home)
    if cluster is None:
        stdout.print("utp was not up")
        return
    database = _open_store(settings)
    try:
        close_admission(settings.home)
        if database is not None:
            ask_all(database)
        if database is not None and not now and _has_life(cluster):
            _let_runs_save(database, wait)
        _end(cluster, settings, is_forced=now)
        if database is not None:
            _say_what_waits(database, settings)
    finally:
        if database is not None:
            database.close()
    stdout.print("utp is down; all data is kept")


def _open_store(settings: Settings) -> Database | None:
    """Return the store; none where it was never made."""
    try:
        return open_database(settings)
    except WrongRevision:
        return None


def _has_life(cluster: LocalCluster | JoinedCluster) -> bool:
    return isinstance(cluster, JoinedCluster) or cluster.is_alive


def _let_runs_save(database: Database, wait_s: float) -> None:
    active = QueueRepository(database).active()
    if not active:
        return
    if not stderr.is_terminal:
        stderr.print(f"waiting up to {wait_s:g} s for {len(active)} runs to save")
    with stderr.status("asking the runs to save") as display:

        def show(active: Sequence[ActiveRow], left_s: float) -> None:
            names = ", ".join(row.name for row in active[:MAX_NAMED])
            more = f" and {len(active) - MAX_NAMED} more" if len(active) > MAX_NAMED else ""
            display.update(f"{left_s:3.0f} s left for {escape(names)}{more} to save (Ctrl-C: end now)")

        with contextlib.suppress(KeyboardInterrupt):
            if not save_and_queue_again(database, wait_s, show):
                stderr.print(f"not all runs have saved within {wait_s:g} s; ending them", soft_wrap=True)


def _say_what_waits(database: Database, settings: Settings) -> None:
    for name in settle_all(database, settings):
        stderr.print(f"{name} left without saving; it goes on from its last checkpoint", soft_wrap=True, markup=False)
    if num_waiting := QueueRepository(database).num_waiting():
        which = "1 run waits and goes on" if num_waiting == 1 else f"{num_waiting} runs wait and go on"
        stdout.print(f"{which} at the next `utp up`")


def _end(cluster: LocalCluster | JoinedCluster, settings: Settings, *, is_forced: bool) -> None:
    if isinstance(cluster, LocalCluster):
        with stderr.status("ending Ray"):
            stop_local(settings.home)
        forget_web(settings.home)
        return
    from utp.cluster.job_client import ClusterUnreachable  # noqa: PLC0415  these import Ray
    from utp.cluster.joined_ray import forget, leave  # noqa: PLC0415

    with stderr.status(f"ending our actors and jobs on the Ray at {cluster.address}"):
        try:
            leave(cluster, settings.home)
        except ClusterUnreachable as error:
            if not is_forced:
                stderr.print("`utp down --now` gives a Ray up that is gone for good", soft_wrap=True)
                raise
            stderr.print(f"{error}; given up", soft_wrap=True, markup=False)
            forget(settings.home)
