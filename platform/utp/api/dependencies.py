"""What endpoints ask for by annotation: the services, and who makes the request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path
from starlette.requests import HTTPConnection

from utp.api.errors import NotSignedIn
from utp.api.schemas import ID_PATTERN
from utp.api.security.permissions import PRINCIPAL, Principal
from utp.api.services import Services


# All coroutines, though they wait for nothing: FastAPI sends each that is none through a thread.
async def _services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


async def _principal(connection: HTTPConnection) -> Principal:
    principal = connection.scope.get(PRINCIPAL)
    if not isinstance(principal, Principal):
        raise NotSignedIn
    return principal


ServicesDep = Annotated[Services, Depends(_services)]
PrincipalDep = Annotated[Principal, Depends(_principal)]

IdPath = Annotated[str, Path(pattern=ID_PATTERN, min_length=32, max_length=32)]
"""An id in the path."""
