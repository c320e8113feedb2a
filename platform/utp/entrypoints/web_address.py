"""Where the dashboard of this home listens: noted by `utp up`, for `utp status` and `utp down`. Imports no Ray."""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from utp.core.durable import write_json_durably
from utp.core.journal import read_json
from utp.errors import ConfigError

WEB_FILE = "web.json"
ANSWER_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class WebAddress:
    """What `web.json` says."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """As a browser on this machine takes it."""
        return f"http://{'localhost' if self.host in ('127.0.0.1', '0.0.0.0', '::') else self.host}:{self.port}"  # noqa: S104

    def is_answering(self) -> bool:
        """Whether the dashboard answers there."""
        try:
            with urlopen(f"{self.url}/healthz", timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310  our own, http
                return bool(answer.status == 200)
        except (HTTPException, OSError):  # the former where something else than HTTP listens there by now
            return False


def note_web(home: Path, address: WebAddress) -> None:
    """Remember where it listens."""
    write_json_durably(home / WEB_FILE, asdict(address))


def find_web(home: Path) -> WebAddress | None:
    """Return where it listens, or did; None where it was not started."""
    content = read_json(home / WEB_FILE)
    return WebAddress(**content) if content else None


def forget_web(home: Path) -> None:
    """Forget it; nothing noted is fine."""
    (home / WEB_FILE).unlink(missing_ok=True)


def check_free(address: WebAddress) -> None:
    """Raise `ConfigError` where somebody else listens."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            why = f"{address.port} on {address.host} can't be used ({error.strerror})"
            raise ConfigError((f"--port: {why}; name another",)) from error
