"""An app with something of everything in it, for requests that a generator makes up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.api.conftest import ADMIN_ID, ORIGIN, make_token

from utp.api.app import build_app
from utp.api.services import Services
from utp.store.access import Scope

CONFIG = {"root": "fruit", "model_flavour": "builtin/vit-tiny", "load_pretrained": False}


@dataclass(frozen=True)
class Target:
    """What requests are sent to."""

    app: FastAPI
    client: TestClient
    refill: Callable[[], dict[str, str]]
    """Makes one of everything and returns their ids by the names of path parameters."""


@pytest.fixture
def target(services: Services) -> Target:
    settings = services.settings.model_copy(update={"rate_limit": "1000000/second"})
    app = build_app(replace(services, settings=settings))
    headers = {"Authorization": f"Bearer {make_token(services, ADMIN_ID, Scope.ADMIN)}"}
    client = TestClient(app, base_url=ORIGIN, headers=headers, raise_server_exceptions=False)
    number = 0

    def make(path: str, **asked: Any) -> dict[str, Any]:
        answer = client.post(f"/api/v1{path}", json=asked)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def refill() -> dict[str, str]:
        nonlocal number
        number += 1
        project_id = make("/projects", name=f"project {number}")["id"]
        return {
            "project_id": project_id,
            "group_id": make(f"/projects/{project_id}/groups", name="group")["id"],
            "config_id": make("/configs", project_id=project_id, name="config", config=CONFIG)["id"],
            "run_id": make("/runs", project_id=project_id, config=CONFIG)["id"],
            "user_id": make("/users", name=f"user {number}")["id"],
            "token_id": make("/tokens", name="token")["id"],
        }

    return Target(app, client, refill)
