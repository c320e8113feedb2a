"""`login_link.py BASE_URL`: prints a link that logs the admin in; makes the store and the admin where there are none."""

from __future__ import annotations

import sys

from sqlalchemy import select

from utp.api.security.credentials import LINK_PREFIX, hash_secret, new_secret
from utp.api.security.first_start import first_login_url, login_url
from utp.settings import get_settings
from utp.store.access import Role
from utp.store.database import Database
from utp.store.engines import database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.tables import User
from utp.store.upgrade import upgrade


def main() -> None:
    """Print the link of the first start, else a new one."""
    settings = get_settings()
    database = Database(open_engine(database_url(settings)))
    try:
        upgrade(database)
        recorder = Recorder(database)
        link = first_login_url(recorder, settings, sys.argv[1])
        if link is None:
            with database.read() as connection:
                admin = connection.execute(select(User.id).where(User.role == Role.ADMIN)).scalars().first()
            code = new_secret(LINK_PREFIX)
            recorder.add_login_link(admin, hash_secret(code, settings))
            link = login_url(sys.argv[1], code)
        sys.stdout.write(f"{link}\n")
    finally:
        database.close()


if __name__ == "__main__":
    main()
