"""An app with something of everything in it, for requests that a generator makes up; no dispatcher is near."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.api.conftest import ADMIN_ID, ORIGIN, make_token
from tests.api.fuzz.world import World
from tests.support.digits_runs import DigitsRuns

from utp.api.app import build_app
from utp.api.services import Services
from utp.store.access import Role, Scope


@dataclass(frozen=True)
class Target:
    """What requests are sent to."""

    app: FastAPI
    world: World
    sign_in: Callable[[Role], dict[str, str]]
    """Makes a user of this role and gives the headers that sign them in."""


@pytest.fixture
def target(services: Services, digits: DigitsRuns) -> Iterator[Target]:
    settings = services.settings.model_copy(update={"rate_limit": "1000000/second"})
    unlimited = replace(services, settings=settings)
    app = build_app(unlimited)
    number = 0

    def sign_in(role: Role) -> dict[str, str]:
        nonlocal number
        number += 1
        user_id = services.recorder.add_user(f"sent by {role} {number}", role)
        return {"Authorization": f"Bearer {make_token(services, user_id, Scope.ADMIN)}"}

    headers = {"Authorization": f"Bearer {make_token(services, ADMIN_ID, Scope.ADMIN)}"}
    client = TestClient(app, base_url=ORIGIN, headers=headers, raise_server_exceptions=False)
    yield Target(app, World(client, unlimited, digits), sign_in)
    unlimited.close()
