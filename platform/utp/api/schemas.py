"""What all bodies share: strictness of what comes in, times as ISO 8601, pages of lists."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Generic, Self, TypeVar, overload

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

ID_PATTERN = "^[0-9a-f]{32}$"
MAX_NAME = 200
MAX_TEXT = 20_000
MAX_KNOWN_TIMES = 10_000
"""Times whose text is remembered: lists show the same ones again and again."""

Item = TypeVar("Item")


@overload
def to_time(seconds: float) -> datetime: ...
@overload
def to_time(seconds: float | None) -> datetime | None: ...
def to_time(seconds: float | None) -> datetime | None:
    """Return seconds since 1970, as the store has them, as a time in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@lru_cache(maxsize=MAX_KNOWN_TIMES)
def to_time_text(seconds: float | None) -> str | None:
    """Return seconds since 1970 as `Time` is sent."""
    return None if seconds is None else to_iso(datetime.fromtimestamp(seconds, UTC))


def to_iso(at: datetime) -> str:
    """Return a time as `Time` is sent."""
    in_utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{in_utc.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


def _is_storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds NUL, which no text may; remove it")
    return text


def _is_not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank; write at least one letter")
    return text.strip()


Time = Annotated[
    datetime,
    PlainSerializer(to_iso, return_type=str, when_used="json"),
]
"""Sent as `2026-11-23T08:00:00.123Z`; `to_time` makes it of the store's seconds."""

Id = Annotated[str, Field(pattern=ID_PATTERN)]
"""32 hex characters."""

Name = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_is_storable), AfterValidator(_is_not_blank)
]
"""Text of one line that people recognise a thing by."""

Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_is_storable)]
"""Free text."""


class Asked(BaseModel):
    """Base of all request bodies: an unknown field is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Answer(BaseModel):
    """Base of all response bodies; a number that is not finite becomes null."""

    model_config = ConfigDict(
        from_attributes=True, use_attribute_docstrings=True, json_schema_serialization_defaults_required=True
    )

    @classmethod
    def trusted(cls, fields: dict[str, Any]) -> Self:
        """Return an answer of all its fields without a look at their values, for those that are sent most.

        A value of a wrong type is a warning when it is sent, and an error in tests.
        """
        assert len(fields) == len(cls.__pydantic_fields__), sorted(cls.__pydantic_fields__.keys() ^ fields.keys())
        answer = cls.__new__(cls)
        object.__setattr__(answer, "__dict__", fields)
        object.__setattr__(answer, "__pydantic_fields_set__", set(fields))
        object.__setattr__(answer, "__pydantic_extra__", None)
        object.__setattr__(answer, "__pydantic_private__", None)
        return answer


class Page(Answer, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = None
    """Give it as `cursor` for the next page; null on the last one."""
    total: int | None = None
    """Items on all pages together, where counting is cheap."""
