"""`utp up`, `utp down` and `utp status`: the platform on this machine."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict
from typing import Annotated

import typer

from utp.cluster.local_ray import LocalCluster, Ports, find_local, start_local, stop_local, use_token
from utp.entrypoints.console import stderr, stdout
from utp.errors import ConfigError
from utp.settings import Settings, get_settings
from utp.store.database import Database
from utp.store.engines import database_url, open_engine
from utp.store.upgrade import upgrade

EXIT_DOWN = 1

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def up(  # noqa: PLR0917  these are options
    gcs_port: Annotated[int, typer.Option(help="Ray's own port, as in RAY_ADDRESS.")] = Ports.gcs,
    dashboard_port: Annotated[int, typer.Option(help="Ray's dashboard and jobs.")] = Ports.dashboard,
    client_port: Annotated[int, typer.Option(help="Ray's client.")] = Ports.client,
    agent_port: Annotated[int, typer.Option(help="Ray's agent of this node.")] = Ports.agent,
    num_cpus: Annotated[int | None, typer.Option(help="Cores to count; all without it.")] = None,
    num_gpus: Annotated[int | None, typer.Option(help="GPUs to count; those there are without it.")] = None,
) -> None:
    """Start the platform on this machine: Ray, store, actors.

    What is up already is left alone.
    """
    if "RAY_ADDRESS" in os.environ:
        problem = f"RAY_ADDRESS: is {os.environ['RAY_ADDRESS']!r}, so Ray is not ours to start; unset it"
        raise ConfigError((problem,))
    settings = get_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    _upgrade_store(settings)
    ports = Ports(gcs=gcs_port, dashboard=dashboard_port, client=client_port, agent=agent_port)
    with stderr.status("starting Ray"):
        cluster = start_local(settings.home, ports, num_cpus=num_cpus, num_gpus=num_gpus)
    use_token(cluster)
    with stderr.status("starting the actors"):
        _start_actors(cluster)
    stdout.print(f"utp is up. Ray: {cluster.address}, its dashboard: {cluster.dashboard}", soft_wrap=True)
    stdout.print("Queue a run with `utp run submit FILE`; `utp down` ends what was started here.")


def down() -> None:
    """End what `utp up` started; all data stays."""
    with stderr.status("ending Ray"):
        was_up = stop_local(get_settings().home)
    stdout.print("utp is down; all data is kept" if was_up else "utp was not up")


def status(as_json: AsJson = False) -> None:
    """Say what of the platform is up.

    The exit code is 1 where it is down.
    """
    settings = get_settings()
    cluster = find_local(settings.home)
    is_up = cluster is not None and cluster.is_alive
    if as_json:
        facts = {"is_up": is_up, "home": str(settings.home), "ray": asdict(cluster) if cluster else None}
        typer.echo(json.dumps(facts, indent=2))
    elif cluster is not None and is_up:
        stdout.print(f"utp is up. Ray: {cluster.address}, its dashboard: {cluster.dashboard}", soft_wrap=True)
    else:
        why = "Ray died (its process is gone)" if cluster else "Ray was not started"
        stdout.print(f"utp is down: {why}; `utp up` starts it", soft_wrap=True)
    if not is_up:
        raise typer.Exit(EXIT_DOWN)


def _upgrade_store(settings: Settings) -> None:
    database = Database(open_engine(database_url(settings)))
    try:
        upgrade(database)
    finally:
        database.close()


def _start_actors(cluster: LocalCluster) -> None:
    import ray  # noqa: PLC0415  it reads RAY_AUTH_MODE when it is imported

    from utp.cluster.actors import NAMESPACE, start_actors  # noqa: PLC0415

    ray.init(address=cluster.address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
    try:
        start_actors(cluster.dashboard)
    finally:
        ray.shutdown()
