"""`python -m utp.entrypoints.openapi`: prints the OpenAPI document; the web client is generated from it."""

from __future__ import annotations

import json
import sys
from typing import cast

from utp.api.app import build_app
from utp.api.services import Services


def main() -> None:
    """Print the document; needs no store."""
    app = build_app(cast("Services", None))
    json.dump(app.openapi(), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
