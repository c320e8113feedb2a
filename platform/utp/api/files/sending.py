"""Sends an opened file in pieces, whole or the one range that was asked for (RFC 9110, section 14)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Annotated, BinaryIO
from urllib.parse import quote

from fastapi import Header
from starlette.responses import Response, StreamingResponse

PIECE_BYTES = 256 * 1024
MAX_DIGITS = 18
"""Of a range's numbers; what is longer is no offset of a file."""

_RANGE = re.compile(rf"bytes=(\d{{0,{MAX_DIGITS}}})-(\d{{0,{MAX_DIGITS}}})")

RangeHeader = Annotated[str | None, Header(alias="Range", max_length=200, description="One range: `bytes=0-1023`.")]
IfRangeHeader = Annotated[str | None, Header(alias="If-Range", max_length=200)]


def send_file(
    file: BinaryIO,
    name: str,
    media_type: str,
    *,
    is_shown: bool = False,
    range_: str | None = None,
    if_range: str | None = None,
    left_out: tuple[int, int] | None = None,
) -> Response:
    """Return the response of a file; closes it. Several ranges at once get the whole file, as the RFC allows.

    Args:
        file: opened at its start.
        name: under which a browser saves it.
        media_type: of the file.
        is_shown: by the browser in the page; else it is saved.
        range_: the header.
        if_range: the header; another ETag than the file's means that the range is of an older file.
        left_out: bytes, from one offset to another, that are sent as if the file had none there.
    """
    status = os.fstat(file.fileno())
    gap = left_out or (status.st_size, status.st_size)
    size, etag = status.st_size - (gap[1] - gap[0]), f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Content-Disposition": f"{'inline' if is_shown else 'attachment'}; filename*=UTF-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
    }
    wanted = _RANGE.fullmatch(range_.strip()) if range_ and if_range in (None, etag) else None
    if wanted is None:
        headers["Content-Length"] = str(size)
        return StreamingResponse(_pieces(file, 0, size, gap), 200, headers, media_type)
    bounds = _bounds(wanted[1], wanted[2], size)
    if bounds is None:
        file.close()
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    first, last = bounds
    headers |= {"Content-Length": str(last - first + 1), "Content-Range": f"bytes {first}-{last}/{size}"}
    return StreamingResponse(_pieces(file, first, last - first + 1, gap), 206, headers, media_type)


def _bounds(first: str, last: str, size: int) -> tuple[int, int] | None:
    """Return first and last byte; None for a range that holds none."""
    if not first:
        count = min(int(last or 0), size)
        return (size - count, size - 1) if count else None
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    return (start, end) if start <= end else None


def _pieces(file: BinaryIO, offset: int, left: int, gap: tuple[int, int]) -> Iterator[bytes]:
    """Yield bytes by their place in what is sent: that of the file up to the gap, earlier by its length behind it."""
    with file:
        while left > 0:
            is_before = offset < gap[0]
            file.seek(offset if is_before else offset + gap[1] - gap[0])
            piece = file.read(min(PIECE_BYTES, left, gap[0] - offset if is_before else left))
            if not piece:
                return  # cut off meanwhile
            offset += len(piece)
            left -= len(piece)
            yield piece
