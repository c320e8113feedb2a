"""`python -m utp.entrypoints.api`: the API under plain uvicorn, for tests and development; no cluster needed."""

from __future__ import annotations

from typing import Annotated

import typer
import uvicorn

from utp.api.app import build_app
from utp.api.services import Services
from utp.settings import get_settings
from utp.store.database import Database
from utp.store.engines import database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.upgrade import upgrade

MAX_SOCKET_MESSAGE_BYTES = 64 * 1024


def main(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve the API on the store of this machine, making it where there is none."""
    settings = get_settings()
    database = Database(open_engine(database_url(settings)))
    upgrade(database)
    try:
        app = build_app(Services(settings=settings, database=database, recorder=Recorder(database)))
        uvicorn.run(
            app,
            host=host,
            port=port,
            server_header=False,
            proxy_headers=False,  # whoever connects could claim another address
            ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
            access_log=False,
        )
    finally:
        database.close()


if __name__ == "__main__":
    typer.run(main)
