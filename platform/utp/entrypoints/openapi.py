"""`python -m utp.entrypoints.openapi`: prints the OpenAPI document; the web client is generated from it."""

from __future__ import annotations

import json
import sys

from sqlalchemy import create_engine

from utp.api.app import build_app
from utp.api.services import Services
from utp.settings import Settings
from utp.store.database import Database
from utp.store.recorder import Recorder


def main() -> None:
    """Print the document; the store behind it is never opened."""
    database = Database(create_engine("sqlite://"))
    app = build_app(Services(settings=Settings(), database=database, recorder=Recorder(database)))
    json.dump(app.openapi(), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
