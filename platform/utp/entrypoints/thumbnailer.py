"""`python -m utp.entrypoints.thumbnailer`: makes thumbnails of images that nobody vouches for, in a process of its own.

It gets bytes and gives bytes: no path, no database, no secret, little memory. Whatever a file does to the decoder, it
does it here, and the server starts another. Wire: `api/pictures/decoder_process.py`.
"""

from __future__ import annotations

import io
import resource
import struct
import sys
from typing import BinaryIO

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
MAX_PIXELS = 50_000_000
"""Of what is decoded whole: 200 MB at 4 bytes a pixel. JPEG is decoded smaller."""
MAX_JPEG_PIXELS = 400_000_000
MAX_MEMORY_BYTES = 1536 << 20
QUALITY = 80


def main() -> None:
    """Serve until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Image.MAX_IMAGE_PIXELS = None  # the checks below come before anything is decoded, and refuse less
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Read (side, length, image), write (is good, length, WebP or sentence)."""
    while len(head := requests.read(12)) == 12:
        side, length = struct.unpack(">IQ", head)
        try:
            payload, is_good = make_thumbnail(requests.read(length), side), True
        except MemoryError:
            payload, is_good = b"it takes too much memory", False
        except Exception as error:  # noqa: BLE001  Pillow's plug-ins raise anything
            payload, is_good = f"{type(error).__name__}: {error}"[:500].encode(errors="replace"), False
        answers.write(struct.pack(">BQ", is_good, len(payload)) + payload)
        answers.flush()


def make_thumbnail(content: bytes, side: int) -> bytes:
    """Return a WebP of at most `side` pixels a side, upright. Raises what Pillow raises, `ValueError` for too many."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        limit = MAX_JPEG_PIXELS if image.format == "JPEG" else MAX_PIXELS
        if width * height > limit:
            raise ValueError(f"it has {width} x {height} pixels, more than the {limit} that are decoded")
        image.draft("RGB", (2 * side, 2 * side))
        small = _to_eight_bits(image)
        small.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
        upright = ImageOps.exif_transpose(small)
        shown = upright if upright.mode in ("RGB", "RGBA") else upright.convert(_mode(upright))
        target = io.BytesIO()
        shown.save(target, "WEBP", quality=QUALITY, method=2)
        return target.getvalue()


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Return 16 bits a pixel as 8, which Pillow would cut off at 255; others as they are."""
    if not image.mode.startswith("I"):
        return image
    return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")


def _mode(image: Image.Image) -> str:
    return "RGBA" if "transparency" in image.info or image.mode in ("LA", "PA") else "RGB"


if __name__ == "__main__":
    main()
