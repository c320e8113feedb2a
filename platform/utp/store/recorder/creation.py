"""Creations that are asked for twice and done once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from utp.store.database import Transaction
from utp.store.errors import Conflict
from utp.store.tables.idempotency_key import IdempotencyKey

KEY_LIFE_S = 7 * 86_400.0
"""A request is sent again within seconds, or within a notebook's day; not after a week."""


@dataclass(frozen=True, kw_only=True)
class CreationKey:
    """An `Idempotency-Key` with whose it is and what it was for."""

    user_id: str
    key: str
    operation: str
    """Method and path."""
    digest: str
    """SHA-256 of the body, in hex."""


def once(tx: Transaction, creation: CreationKey | None, create: Callable[[], str]) -> str:
    """Return the id that `create` gives, or that it gave when this key came before, in the last week.

    Raises:
        Conflict: the key came with another request before.
    """
    if creation is None:
        return create()
    mine = (IdempotencyKey.user_id == creation.user_id, IdempotencyKey.key == creation.key)
    columns = (IdempotencyKey.operation, IdempotencyKey.digest, IdempotencyKey.object_id)
    known = tx.connection.execute(select(*columns).where(*mine)).first()
    if known is None:
        tx.connection.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < tx.now - KEY_LIFE_S))
        object_id = create()
        row = {"user_id": creation.user_id, "key": creation.key, "operation": creation.operation}
        row |= {"digest": creation.digest, "object_id": object_id}
        tx.connection.execute(insert(IdempotencyKey).values(**row, created_at=tx.now))
        return object_id
    if (known.operation, known.digest) != (creation.operation, creation.digest):
        raise Conflict(f"the Idempotency-Key {creation.key!r} came with another request before", "take a new key")
    return str(known.object_id)
