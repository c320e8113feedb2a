"""`utp login-link`: lets somebody into the dashboard who has no way in, from the machine of the store."""

from __future__ import annotations

from typing import Annotated

import typer

from utp.api.security.credentials import LINK_PREFIX, hash_secret, new_secret
from utp.api.security.first_start import login_url
from utp.entrypoints.web_address import find_web
from utp.errors import ConfigError
from utp.settings import get_settings
from utp.store.access import Role
from utp.store.database import open_database
from utp.store.recorder import Recorder
from utp.store.recorder.people import FIRST_ADMIN
from utp.store.repositories.people import PeopleRepository

DEFAULT_URL = "http://localhost:8000"


def login_link(
    user: Annotated[str, typer.Argument(help="Name of the user.")] = FIRST_ADMIN,
    url: Annotated[
        str | None, typer.Option(help="Address of the dashboard; without it the one that `utp up` started.")
    ] = None,
) -> None:
    """Print a link that lets a user into the dashboard once.

    It holds for a day. The first admin is made where there is none; a link that was made before ends.
    """
    settings = get_settings()
    database = open_database(settings)
    try:
        people, recorder = PeopleRepository(database), Recorder(database)
        found = people.find_user(user)
        if found is None and user != FIRST_ADMIN:
            known = ", ".join(one.name for one in people.list_users()) or "none yet"
            raise ConfigError((f"user: {user!r} is not there; users: {known}",))
        user_id = recorder.add_user(FIRST_ADMIN, Role.ADMIN) if found is None else found.id
        code = new_secret(LINK_PREFIX)
        recorder.add_login_link(user_id, hash_secret(code, settings))
        web = find_web(settings.home)
        typer.echo(login_url(url or (web.url if web else DEFAULT_URL), code))
    finally:
        database.close()
