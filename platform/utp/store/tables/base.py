"""What all tables share: names of constraints, and how Python's types are stored on SQLite and PostgreSQL.

No table declares a relationship: a query names its joins, so none is run by accident.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, Double, Enum, Integer, LargeBinary, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, mapped_column

from utp.errors import FailureKind
from utp.store.access import Role, Scope, Stage
from utp.store.states import Health, Outcome, RunState, Wish

Id = Annotated[str, mapped_column(String(32))]
"""32 hex characters, `store.ids.new_id`."""

Size = Annotated[int, mapped_column(BigInteger().with_variant(Integer, "sqlite"))]
"""A count that may pass 2^31, as bytes do."""

Time = Annotated[float, mapped_column(Double)]
"""Seconds since 1970 in UTC, by the database's clock: no process with a wrong one spoils an order or a lease."""

LongText = Annotated[str, mapped_column(Text)]


def _stored(kind: type[StrEnum]) -> Enum:
    """As plain text of 32 characters: a new member needs no migration."""
    return Enum(kind, native_enum=False, length=32, values_callable=lambda members: [str(one) for one in members])


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  the base class declares it so
        bytes: LargeBinary,
        float: Double,
        dict[str, Any]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
        list[dict[str, Any]]: JSON(none_as_null=True),
        RunState: _stored(RunState),
        Outcome: _stored(Outcome),
        Wish: _stored(Wish),
        Health: _stored(Health),
        FailureKind: _stored(FailureKind),
        Role: _stored(Role),
        Scope: _stored(Scope),
        Stage: _stored(Stage),
    }
