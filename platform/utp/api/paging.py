"""Cursor paging: a page begins behind the sort key and id of the last row before it, so no row is shown twice.

That row may be gone by then.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query

from utp.api.errors import InvalidRequest

MAX_LIMIT = 500
DEFAULT_LIMIT = 100
MAX_SEARCH = 200

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """What a list was asked for."""

    limit: int
    cursor: str | None
    sort: str | None
    q: str | None

    def sort_key(self, allowed: Sequence[str], default: str) -> tuple[str, bool]:
        """Return the field to sort by and whether it descends. Raises `InvalidRequest` naming the allowed ones."""
        text = self.sort or default
        name = text.removeprefix("-")
        if name not in allowed:
            raise InvalidRequest("sort", text, f"{text!r:.60} can't be sorted by", f"use one of: {', '.join(allowed)}")
        return name, text.startswith("-")

    def after(self, num_parts: int) -> list[Any] | None:
        """Return what `make_cursor` got, None for the first page. Raises `InvalidRequest`."""
        return None if self.cursor is None else read_cursor(self.cursor, num_parts)


async def _page_request(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
    sort: Annotated[str | None, Query(max_length=60, description="A field, or -field for descending.")] = None,
    q: Annotated[str | None, Query(max_length=MAX_SEARCH, description="Text to search for.")] = None,
) -> PageRequest:
    return PageRequest(limit=limit, cursor=cursor, sort=sort, q=q)


PageDep = Annotated[PageRequest, Depends(_page_request)]


def make_cursor(*parts: Any) -> str:
    """Return an opaque cursor that holds JSON values."""
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)  # a name of 200 signs has to fit
    return base64.urlsafe_b64encode(text.encode(errors="surrogatepass")).decode().rstrip("=")


def read_cursor(cursor: str, num_parts: int) -> list[Any]:
    """Return the values of a cursor, strings, finite numbers or null. Raises `InvalidRequest`."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or len(parts) != num_parts or not all(map(_is_sortable, parts)):
        raise wrong_cursor(cursor)
    return parts


def wrong_cursor(cursor: str | None) -> InvalidRequest:
    """Return what is said of a cursor that this list has never given."""
    return InvalidRequest("cursor", cursor, "is not a cursor of this list", "take next_cursor of the page before")


def _is_sortable(part: object) -> bool:
    """Whether a database takes it: no NUL, nothing infinite, no integer beyond 64 bits."""
    if isinstance(part, str):
        return "\0" not in part
    if isinstance(part, int | float):
        return math.isfinite(part) and abs(part) < 2**62
    return part is None


def cut_page(
    rows: Sequence[Row], limit: int, key: Callable[[Row], tuple[Any, ...]]
) -> tuple[Sequence[Row], str | None]:
    """Cut `limit` + 1 rows to a page and the cursor of the next one."""
    if len(rows) <= limit:
        return rows, None
    page = rows[:limit]
    return page, make_cursor(*key(page[-1]))


def page_in_memory(
    rows: Sequence[Row],
    page: PageRequest,
    sorts: dict[str, Callable[[Row], Any]],
    default: str,
    id_of: Callable[[Row], str],
) -> tuple[Sequence[Row], str | None]:
    """Sort and cut a short list (projects, users, agents) that was read whole; none sorts last."""
    name, descends = page.sort_key(tuple(sorts), default)

    def key(row: Row) -> tuple[Any, str]:
        return sorts[name](row), id_of(row)

    present = sorted((row for row in rows if key(row)[0] is not None), key=key, reverse=descends)
    absent = sorted((row for row in rows if key(row)[0] is None), key=id_of)
    last = page.after(2)
    if last is not None:
        try:
            if last[0] is not None:
                present = [row for row in present if (key(row) < tuple(last) if descends else key(row) > tuple(last))]
            else:
                present, absent = [], [row for row in absent if id_of(row) > last[1]]
        except TypeError:
            raise wrong_cursor(page.cursor) from None
    return cut_page([*present, *absent][: page.limit + 1], page.limit, key)
