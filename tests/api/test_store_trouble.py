"""What clients hear when the store is in trouble: when to come back, and no word about its inside."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from utp.store.database import Database
from utp.store.errors import StoreBusy, StoreDamaged, StoreFull, StoreUnavailable
from utp.store.repositories.people import PeopleRepository
from utp.store.repositories.project_overviews import ProjectOverviews

PROJECTS = "/api/v1/projects"
SECRET = "postgresql://utp:canary@db/utp"


@pytest.mark.parametrize(
    ("error", "status", "has_retry"),
    [
        (StoreBusy(SECRET, "canary"), 503, True),
        (StoreUnavailable(SECRET, "canary"), 503, True),
        (StoreFull(SECRET, "canary"), 507, False),
        (StoreDamaged(SECRET, "canary"), 500, False),
        (ZeroDivisionError("canary"), 500, False),
    ],
)
@pytest.mark.parametrize("place", [(ProjectOverviews, "list_projects"), (PeopleRepository, "find_token")])
def test_trouble_is_a_problem_document_without_secrets(
    client: TestClient,
    stranger: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[type, str],
    error: Exception,
    status: int,
    has_retry: bool,
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(*place, fail)
    answer = stranger.get(PROJECTS, headers=client.headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert ("retry-after" in answer.headers) is has_retry
    assert "canary" not in answer.text
    assert answer.json()["status"] == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_readiness_follows_the_database_and_health_does_not(
    stranger: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stranger.get("/readyz").json() == {"status": "ok"}

    def fail(_: Database) -> None:
        raise StoreUnavailable(SECRET, "canary")

    monkeypatch.setattr(Database, "check_revision", fail)
    answer = stranger.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "canary" not in answer.text
    assert stranger.get("/healthz").status_code == 200
