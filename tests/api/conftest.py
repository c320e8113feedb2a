"""The whole app on a SQLite store of each test's own; `client` is signed in as the admin."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import insert
from starlette.testclient import TestClient
from tests.support.digits_runs import DigitsRuns, make_digits_runs, make_settings

from utp.api.app import build_app
from utp.api.security.credentials import TOKEN_PREFIX, hash_secret, new_secret
from utp.api.services import Services
from utp.settings import Settings
from utp.store import engines
from utp.store.access import Role, Scope
from utp.store.database import Database, open_database
from utp.store.engines import SQLITE_FILE, database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.tables import User
from utp.store.upgrade import upgrade

ORIGIN = "http://localhost:8000"
ADMIN_ID = "0" * 32

SignIn = Callable[..., TestClient]


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables."""
    settings = Settings.model_validate({"UTP_HOME": tmp_path_factory.mktemp("api-template")})
    database = Database(open_engine(database_url(settings)))
    upgrade(database)
    admin = {"id": ADMIN_ID, "name": "admin", "role": Role.ADMIN, "created_at": 0.0, "updated_at": 0.0}
    database.write(lambda tx: tx.connection.execute(insert(User).values(admin)).close())
    database.close()
    return settings.home / SQLITE_FILE


@pytest.fixture
def settings(tmp_path: Path, store_template: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    names = ("DATASETS_DIR", "SHARED_LOGS_DIR", "MODELS_DIR", "UTP_HOME", "UTP_CACHE_DIR")
    for name in names:
        (tmp_path / name).mkdir()
    pragmas = [pragma.replace("synchronous=FULL", "synchronous=OFF") for pragma in engines.SQLITE_PRAGMAS]
    monkeypatch.setattr(engines, "SQLITE_PRAGMAS", pragmas)  # the disk costs 10 ms a commit
    shutil.copy(store_template, tmp_path / "UTP_HOME" / SQLITE_FILE)
    return Settings.model_validate({name: tmp_path / name for name in names})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    yield database
    database.close()


@pytest.fixture
def recorder(database: Database) -> Recorder:
    return Recorder(database)


@pytest.fixture
def services(settings: Settings, database: Database, recorder: Recorder) -> Services:
    return Services(settings=settings, database=database, recorder=recorder)


@pytest.fixture
def app(services: Services) -> FastAPI:
    return build_app(services)


@pytest.fixture
def stranger(app: FastAPI) -> Iterator[TestClient]:
    """A client that nobody knows; a bug comes as a 500, not as its exception."""
    with TestClient(app, base_url=ORIGIN, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(app: FastAPI, services: Services) -> Iterator[TestClient]:
    """A client that is signed in as the admin, with a token."""
    token = make_token(services, ADMIN_ID, Scope.ADMIN)
    with TestClient(app, base_url=ORIGIN, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


@pytest.fixture
def sign_in(app: FastAPI, services: Services) -> Iterator[SignIn]:
    """Return a function that adds a user and gives a client that is signed in as them."""
    clients: list[TestClient] = []

    def add(name: str, role: Role, *, scope: Scope = Scope.ADMIN, projects: Sequence[str] = ()) -> TestClient:
        user_id = services.recorder.add_user(name, role)
        for project_id in projects:
            services.recorder.set_member(project_id, user_id, is_member=True)
        headers = {"Authorization": f"Bearer {make_token(services, user_id, scope)}"}
        clients.append(TestClient(app, base_url=ORIGIN, headers=headers))
        return clients[-1]

    yield add
    for client in clients:
        client.close()


def make_token(services: Services, user_id: str, scope: Scope, *, life_s: float = 3600.0) -> str:
    token = new_secret(TOKEN_PREFIX)
    hashed = hash_secret(token, services.settings)
    services.recorder.add_token(user_id, name="test", scope=scope, hash=hashed, life_s=life_s)
    return token


@pytest.fixture
def project_id(client: TestClient) -> str:
    created = client.post("/api/v1/projects", json={"name": "fruit"})
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> DigitsRuns:
    """Real runs on digits: two finished, one failed."""
    return make_digits_runs(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def digits_services(digits: DigitsRuns, tmp_path: Path, store_template: Path) -> Iterator[Services]:
    """Services on a copy of the store that knows the runs; their files are shared and may not be changed."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(digits.store, home / SQLITE_FILE)
    settings = make_settings(digits.mounts, home)
    database = open_database(settings)
    services = Services(settings=settings, database=database, recorder=Recorder(database))
    yield services
    services.close()
    database.close()


@pytest.fixture
def digits_client(digits_services: Services) -> Iterator[TestClient]:
    """A client that is signed in as the admin of the store that knows the runs."""
    admin = digits_services.recorder.add_user("admin", Role.ADMIN)
    headers = {"Authorization": f"Bearer {make_token(digits_services, admin, Scope.ADMIN)}"}
    with TestClient(build_app(digits_services), base_url=ORIGIN, headers=headers) as client:
        yield client
