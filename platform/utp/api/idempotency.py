"""`Idempotency-Key`: a creation that is sent again, since its answer was lost, creates nothing twice."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import Depends, Header, Request

from utp.api.dependencies import PrincipalDep
from utp.store.recorder.creation import CreationKey

MAX_KEY = 200


async def _creation_key(
    request: Request,
    principal: PrincipalDep,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=MAX_KEY, description="Any text of your own; the same creates once.")
    ] = None,
) -> CreationKey | None:
    if idempotency_key is None:
        return None
    operation = f"{request.method} {request.url.path}"
    digest = hashlib.sha256(await request.body()).hexdigest()
    return CreationKey(user_id=principal.id, key=idempotency_key, operation=operation, digest=digest)


CreationKeyDep = Annotated[CreationKey | None, Depends(_creation_key)]
"""The key of a creation; the store keeps it in the transaction that creates (`recorder.creation.once`)."""
