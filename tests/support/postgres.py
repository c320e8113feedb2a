"""A PostgreSQL server of the tests' own: a folder, a socket in it, no port, no fsync."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

_SETTINGS = {"fsync": "off", "full_page_writes": "off", "listen_addresses": "''"}
_NUMBERS = itertools.count(1)


def find_programs() -> Path | None:
    """Return the newest folder with PostgreSQL's server programs; none where it is not installed."""
    on_path = shutil.which("pg_ctl")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").is_file()), None)


@dataclass(frozen=True)
class PostgresServer:
    """A server that is up."""

    programs: Path
    folder: Path
    user: str

    @classmethod
    @contextmanager
    def started(
        cls, programs: Path, settings: dict[str, str] | None = None, *, data_below: Path | None = None
    ) -> Iterator[PostgresServer]:
        """Make and start a server, stop it at the end. It refuses to run as root, so another user does.

        Args:
            programs: from `find_programs`.
            settings: of `postgresql.conf`.
            data_below: folder that its data lie in, beside the socket unless told.
        """
        user = _unprivileged_user()
        folder = Path(tempfile.mkdtemp(prefix="utp-pg-", dir="/tmp"))  # a socket's path may have 107 bytes
        shutil.chown(folder, user)
        if data_below is not None:
            shutil.chown(data_below, user)
            (folder / "data").symlink_to(data_below / "data")
        server = cls(programs, folder, user)
        try:
            data = str((folder / "data").resolve())
            server._call("initdb", "-D", data, "-A", "trust", "-U", user, "--no-sync", "-E", "UTF8")
            lines = [f"{name} = {value}\n" for name, value in {**_SETTINGS, **(settings or {})}.items()]
            with (folder / "data" / "postgresql.conf").open("a") as file:
                file.writelines([*lines, f"unix_socket_directories = '{folder}'\n"])
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder)

    def start(self) -> None:
        self._call("pg_ctl", "start", "-w", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self._call("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self.folder / "data"))

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://{self.user}@/{name}?host={self.folder}"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        name = f"utp_{os.getpid()}_{next(_NUMBERS)}"
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url(name)

    def _call(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = [str(self.programs / program), *arguments]
        switch = {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
        subprocess.run(
            command,
            check=True,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            **(switch if os.geteuid() == 0 else {}),
        )


def _unprivileged_user() -> str:
    """Ourselves, unless we are root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
