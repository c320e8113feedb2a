"""The audit trail: every write that succeeded, whoever added its route, with who did it and to what."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync
from starlette.types import Message, Receive, Scope, Send

from utp.api.security.asgi import UNSAFE_METHODS, Layer
from utp.api.security.permissions import PRINCIPAL, Principal
from utp.api.services import Services
from utp.store.errors import StoreError

NOT_WRITES = frozenset({"validate_config", "open_tensorboard"})
"""Operations whose POST changes nothing."""
AUDITED = "utp.audited"
"""Key of the scope: `Audited`, put there by an endpoint whose address does not tell what was changed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Audited:
    """What a request has changed."""

    object_ids: Sequence[str]
    """An entry each."""
    detail: Mapping[str, Any] | None = None


class Audit:
    """Notes writes before their answer is sent."""

    def __init__(self, app: Layer, *, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI says."""
        if scope["type"] != "http" or scope["method"] not in UNSAFE_METHODS:
            await self._app(scope, receive, send)
            return
        started: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = message
                return
            if started is not None:
                if started["status"] < 400:
                    await run_sync(self._note, scope, started["status"], message.get("body", b""))
                await send(started)
                started = None
            await send(message)

        await self._app(scope, receive, sending)

    def _note(self, scope: Scope, status: int, body: bytes) -> None:
        principal, route = scope.get(PRINCIPAL), scope.get("route")
        operation = getattr(route, "operation_id", None)
        if not isinstance(principal, Principal) or operation is None or operation in NOT_WRITES:
            return
        audited = scope.get(AUDITED) or _of_address(scope, status, body)
        tags = getattr(route, "tags", None) or [""]
        try:
            self._services.recorder.add_audit_entries(
                actor=principal.name,
                action=operation,
                object_type=str(tags[0]),
                object_ids=audited.object_ids,
                detail=audited.detail,
            )
        except StoreError as error:
            _log.error("%s by %s is not in the audit trail: %s", operation, principal.name, error)


def _of_address(scope: Scope, status: int, body: bytes) -> Audited:
    ids = {name: str(value) for name, value in scope.get("path_params", {}).items()}
    made = _made_id(body) if status == 201 else None
    return Audited([made or next(iter(ids.values()), "")], ids or None)


def _made_id(body: bytes) -> str | None:
    try:
        made: Any = json.loads(body)
    except ValueError:
        return None
    found = made.get("id") if isinstance(made, dict) else None
    return found if isinstance(found, str) else None
