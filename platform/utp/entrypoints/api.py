"""`python -m utp.entrypoints.api`: the API under plain uvicorn, for tests and development; no cluster needed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from utp.api.app import build_app
from utp.api.security.first_start import check_exposure, first_login_url
from utp.api.services import Services
from utp.entrypoints.farewell import server_of
from utp.errors import ConfigError
from utp.settings import get_settings
from utp.store.database import Database
from utp.store.engines import database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.upgrade import upgrade

EXIT_REFUSED = 2


def main(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve the API on the store of this machine, making it where there is none."""
    settings = get_settings()
    try:
        check_exposure(settings, host, is_ray_token_on=settings.ray_auth_mode != "disabled")
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_REFUSED) from error
    database = Database(open_engine(database_url(settings)))
    services = Services(settings=settings, database=database, recorder=Recorder(database))
    try:
        upgrade(database)
        link = first_login_url(services.recorder, settings, f"http://localhost:{port}")
        if link is not None:
            sys.stdout.write(f"Sign in, once, within a day: {link}\n")
            sys.stdout.flush()
        server_of(build_app(services), host, port).run()
    finally:
        services.close()
        database.close()


if __name__ == "__main__":
    typer.run(main)
