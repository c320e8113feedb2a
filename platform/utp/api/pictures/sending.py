"""Sends images: small WebPs, or files as they are under a media type that no browser takes for a page."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, BinaryIO

from fastapi import Query
from starlette.responses import Response

from utp.api.files.sending import send_file
from utp.api.pictures.thumbnails import SIDES, Thumbnails

ImageSize = Annotated[int | None, Query(ge=16, le=SIDES[-1], description="Pixels of the longer side, rounded up.")]

_MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".gif": "image/gif",
}


def send_thumbnail(
    thumbnails: Thumbnails, file: BinaryIO, path: str, size: int, *, is_immutable: bool = False
) -> Response:
    """Return a small WebP of an opened image; closes it. Raises `NotAPicture`, `DecoderBusy`.

    Args:
        thumbnails: makes it.
        file: the image.
        path: its name.
        size: pixels of the longer side.
        is_immutable: whether its address names the content, so that a browser need not ask again.
    """
    kept = "private, max-age=31536000, immutable" if is_immutable else "private, max-age=300"
    headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    return Response(thumbnails.get(file, path, size), 200, headers, "image/webp")


def send_image(file: BinaryIO, path: str) -> Response:
    """Return an opened image as it is; closes it."""
    name = PurePosixPath(path)
    media_type = _MEDIA_TYPES.get(name.suffix.lower(), "application/octet-stream")
    return send_file(file, name.name, media_type, is_shown=True)
