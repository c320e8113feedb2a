"""`Client`: the platform from anywhere, over its API."""

from __future__ import annotations

from typing import Any, Self

from utp.api.meta.schemas import Meta
from utp.client.resources import Agents, Configs, Metrics, Models, Projects, Queue
from utp.client.runs import Runs
from utp.client.transport import PATIENCE_S, Transport


class Client:
    """One server, as one user. It may be used by one thread at a time, and in a `with`.

    Args:
        url: as a browser has it, `https://utp.example.org`.
        token: a personal access token, `utp_...`.
        patience_s: how long a call is tried again while the server is away or busy.
    """

    def __init__(self, url: str, token: str, *, patience_s: float = PATIENCE_S) -> None:
        self._transport = Transport(url, token, patience_s=patience_s)
        self.projects = Projects(self._transport)
        self.configs = Configs(self._transport)
        self.runs = Runs(self._transport)
        self.metrics = Metrics(self._transport)
        self.models = Models(self._transport)
        self.agents = Agents(self._transport)
        self.queue = Queue(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def meta(self) -> Meta:
        """Return the server's version and what is switched on."""
        return self._transport.get(Meta, "/meta")

    def request(self, method: str, path: str, **body: Any) -> Any:
        """Return the JSON of a route that has no method here; `path` is below `/api/v1`."""
        return self._transport.request(method, path, body=body or None).json()
