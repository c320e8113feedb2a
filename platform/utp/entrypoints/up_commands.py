"""`utp up` and `utp status`: the platform on this machine."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Annotated

import typer

from utp.api.security.first_start import check_exposure, first_login_url
from utp.cluster.joined_cluster import JoinedCluster
from utp.cluster.local_ray import LocalCluster, Ports, find_local, note_ready, start_local, use_token
from utp.cluster.platform_state import SENTENCES, PlatformState, find_cluster, look_at
from utp.cluster.shutdown import open_admission
from utp.config.secrets_file import read_secrets
from utp.entrypoints.browser import open_page
from utp.entrypoints.console import stderr, stdout
from utp.entrypoints.web_address import WebAddress, check_free, find_web, note_web
from utp.errors import ConfigError
from utp.settings import Settings, get_settings
from utp.store.database import Database, open_database
from utp.store.engines import database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.upgrade import upgrade

EXIT_DOWN = 1
MAX_PORT = 65535

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def up(  # noqa: PLR0917  these are options
    gcs_port: Annotated[int, typer.Option(min=1, max=MAX_PORT, help="Ray's own port, as in RAY_ADDRESS.")] = Ports.gcs,
    dashboard_port: Annotated[
        int, typer.Option(min=1, max=MAX_PORT, help="Ray's dashboard and jobs.")
    ] = Ports.dashboard,
    client_port: Annotated[int, typer.Option(min=1, max=MAX_PORT, help="Ray's client.")] = Ports.client,
    agent_port: Annotated[int, typer.Option(min=1, max=MAX_PORT, help="Ray's agent of this node.")] = Ports.agent,
    num_cpus: Annotated[int | None, typer.Option(min=1, help="Cores to count; all without it.")] = None,
    num_gpus: Annotated[int | None, typer.Option(min=0, help="GPUs to count; those there are without it.")] = None,
    port: Annotated[int, typer.Option(min=1, max=MAX_PORT, help="The dashboard and the API.")] = 8000,
    host: Annotated[str, typer.Option(help="Address that the dashboard listens on.")] = "127.0.0.1",
    web: Annotated[bool, typer.Option(help="Start the dashboard, on Ray Serve.")] = True,
    is_opened: Annotated[bool, typer.Option("--open", help="Open it where a browser has a display.")] = False,
    replicas: Annotated[int, typer.Option(min=1, max=64, help="Of the dashboard; several need PostgreSQL.")] = 1,
) -> None:
    """Start the platform on this machine: Ray, store, page.

    What is up already is left alone. Where RAY_ADDRESS names a Ray that others started, its actors start on that.
    """
    settings = get_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    if settings.secrets_file is not None:
        read_secrets(settings.secrets_file)  # refused here, not by each job
    open_admission(settings.home)
    web_address = WebAddress(host=host, port=port)
    check_exposure(settings, host, is_ray_token_on=True)  # `start_local` sees to it
    _check_replicas(settings, replicas)
    if web and not _is_web_up(settings):
        check_free(web_address)
    ports = Ports(gcs=gcs_port, dashboard=dashboard_port, client=client_port, agent=agent_port)
    cluster: LocalCluster | JoinedCluster
    if address := os.environ.get("RAY_ADDRESS"):
        _check_can_join(settings, address, is_default=(ports, num_cpus, num_gpus) == (Ports(), None, None))
        _upgrade_store(settings)
        cluster = _join(address, settings)
        if web:
            stdout.print("Others started this Ray: the dashboard gets there by `serve deploy deployments/serve.yaml`")
    else:
        _upgrade_store(settings)
        cluster = _start(settings, ports, num_cpus, num_gpus)
        if web:
            page = _bring_up_web(settings, cluster, web_address, replicas)
            if is_opened:
                open_page(page)
    stdout.print(f"utp is up. Ray: {cluster.address}, its dashboard: {cluster.dashboard}", soft_wrap=True)
    stdout.print("Queue a run with `utp run submit FILE`; `utp down` ends what was started here.")


def _check_replicas(settings: Settings, replicas: int) -> None:
    if replicas > 1 and database_url(settings).drivername == "sqlite":
        way_out = "set UTP_DATABASE_URL to a PostgreSQL, or leave it out"
        raise ConfigError((f"--replicas: several need more than SQLite, got {replicas}; {way_out}",))


def _is_web_up(settings: Settings) -> bool:
    address = find_web(settings.home)
    return address is not None and address.is_answering()


def _bring_up_web(settings: Settings, cluster: LocalCluster, address: WebAddress, replicas: int) -> str:
    """Return the address of the dashboard, which the first time signs in."""
    noted = find_web(settings.home)
    if noted is not None and noted.is_answering():
        return noted.url
    return _start_web(settings, cluster, address, replicas) or address.url


def _start_web(settings: Settings, cluster: LocalCluster, address: WebAddress, replicas: int) -> str | None:
    from utp.cluster.ray_connection import connected  # noqa: PLC0415  Ray reads RAY_AUTH_MODE when it is imported
    from utp.entrypoints.serve import start_dashboard  # noqa: PLC0415

    with stderr.status("starting the dashboard"), connected(cluster.address):
        start_dashboard(address.host, address.port, replicas)
    note_web(settings.home, address)
    database = open_database(settings)
    try:
        link = first_login_url(Recorder(database), settings, address.url)
    finally:
        database.close()
    stdout.print(f"The dashboard: {address.url}", soft_wrap=True)
    if link is not None:
        stdout.print(f"Sign in, once, within a day: {link}", soft_wrap=True, markup=False)
    return link


def status(as_json: AsJson = False) -> None:
    """Say what of the platform is up.

    The exit code is 1 where it is down.
    """
    settings = get_settings()
    cluster = find_cluster(settings.home)
    state = look_at(cluster)
    is_up = state is PlatformState.UP
    web = find_web(settings.home)
    is_web_up = web is not None and web.is_answering()
    if as_json:
        facts = {
            "is_up": is_up,
            "state": state,
            "home": str(settings.home),
            "ray": asdict(cluster) if cluster else None,
        }
        facts["web"] = web.url if web is not None and is_web_up else None
        typer.echo(json.dumps(facts, indent=2))
    elif cluster is not None and is_up:
        stdout.print(f"utp is up. Ray: {cluster.address}, its dashboard: {cluster.dashboard}", soft_wrap=True)
        if web is not None:
            stdout.print(f"The dashboard: {web.url}" + ("" if is_web_up else ", which does not answer"), soft_wrap=True)
    else:
        stdout.print(SENTENCES[state], soft_wrap=True)
    if not is_up:
        raise typer.Exit(EXIT_DOWN)


def _upgrade_store(settings: Settings) -> None:
    database = Database(open_engine(database_url(settings)))
    try:
        upgrade(database)
    finally:
        database.close()


def _start(settings: Settings, ports: Ports, num_cpus: int | None, num_gpus: int | None) -> LocalCluster:
    with stderr.status("starting Ray"):
        cluster = start_local(settings.home, ports, num_cpus=num_cpus, num_gpus=num_gpus)
    use_token(cluster)
    from utp.cluster.actors import start_actors  # noqa: PLC0415  Ray reads RAY_AUTH_MODE when it is imported
    from utp.cluster.ray_connection import connected  # noqa: PLC0415

    with stderr.status("starting the actors"), connected(cluster.address):
        start_actors(cluster.dashboard)
    note_ready(settings.home, cluster)
    return cluster


def _check_can_join(settings: Settings, address: str, *, is_default: bool) -> None:
    where = f"RAY_ADDRESS: names {address!r}, so that Ray is joined"
    if not is_default:
        raise ConfigError((f"{where}, and ports, --num-cpus and --num-gpus are its own; leave them out, or unset it",))
    found = find_local(settings.home)
    if found is not None and found.is_alive:
        raise ConfigError((f"{where}, but utp has a Ray of its own at {found.address}; `utp down` first, or unset it",))


def _join(address: str, settings: Settings) -> JoinedCluster:
    from utp.cluster.joined_ray import join  # noqa: PLC0415  it imports Ray

    with stderr.status(f"joining the Ray at {address}"):
        return join(address, settings)
