"""The SDK: `from utp.client import Client`. Imported on use: commands on the machine of the store need none of it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from utp.client.api_client import Client
    from utp.client.errors import ApiError, ServerUnreachable
    from utp.client.run import ClientRun

__all__ = ["ApiError", "Client", "ClientRun", "ServerUnreachable"]

_HOMES = {
    "ApiError": "utp.client.errors",
    "Client": "utp.client.api_client",
    "ClientRun": "utp.client.run",
    "ServerUnreachable": "utp.client.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
