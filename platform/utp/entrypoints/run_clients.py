"""Which platform `utp run` speaks of: the store on this machine, or a server anywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from utp.client.local_client import LocalClient
from utp.client.run_client import RunClient
from utp.entrypoints.web_address import find_web
from utp.errors import ConfigError
from utp.settings import get_settings


def choose_server(
    ctx: typer.Context,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Of a platform elsewhere, with your token in UTP_TOKEN.")
    ] = None,
) -> None:
    """Queue runs on the cluster, and look after them.

    UTP_SERVER says the same as --server.
    """
    ctx.obj = server or get_settings().server


def open_client(ctx: typer.Context) -> RunClient:
    """Return the client of the chosen platform. Raises `ConfigError` for a server without a token."""
    settings = get_settings()
    if ctx.obj is None:
        return LocalClient(settings)
    if settings.token is None:
        raise ConfigError((f"UTP_TOKEN: is not set; make a token in the page of {ctx.obj}, under Settings",))
    from utp.client.remote_client import RemoteClient  # noqa: PLC0415  commands on the head need no HTTP

    client = RemoteClient(ctx.obj, settings.token)
    ctx.call_on_close(client.close)
    return client


def open_store(ctx: typer.Context, command: str) -> LocalClient:
    """Return the client of the store on this machine. Raises `ConfigError` where another platform was chosen."""
    if ctx.obj is not None:
        why = f"`utp run {command}` handles files of the platform's machine, got {ctx.obj}"
        raise ConfigError((f"--server: {why}; call it there, on the machine of the store",))
    return LocalClient(get_settings())


def page_of(ctx: typer.Context) -> str | None:
    """Return the address of the platform's page; None where none is known."""
    if ctx.obj is not None:
        return str(ctx.obj).rstrip("/")
    web = find_web(get_settings().home)
    return web.url if web is not None else None
