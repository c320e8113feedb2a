"""Compiles the C files of this folder into libraries beside them, or says in one line why not; needs Python alone.

    python platform/utp/core/native/build.py

Called by the install and by the build of a wheel. Without a compiler everything works, and loading pictures is slower.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

# No fused multiply-add: the weights must round as torch's do.
FLAGS = ("-O3", "-std=c11", "-ffp-contract=off", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")

LIBRARIES = {"resize": ("-lm",), "jpeg": ("-ljpeg",)}
"""Each library, with what it is linked to."""

SOURCES = {"resize": ("resize.c",), "jpeg": ("jpeg.c", "huffman.c", "huffman.h")}
"""What each library is made of."""

JPEG_PACKAGE = "the headers of libjpeg-turbo (Debian, Ubuntu: libjpeg-dev; Fedora, RHEL: libjpeg-turbo-devel)"


def main() -> None:
    """Build all, and print a line for each library that could not be."""
    for name in LIBRARIES:
        problem = build(name)
        print(f"native: {problem}" if problem else f"native: {library_path(name).name} is built", flush=True)  # noqa: T201


def library_path(name: str) -> Path:
    """Return where a library lies; under the bare name, Python would take it for a module."""
    return FOLDER / f"lib{name}.so"


def source_hash(name: str) -> int:
    """Return the CRC-32 of the library's sources, which it holds: one of other sources is not loaded."""
    return zlib.crc32(b"".join((FOLDER / source).read_bytes() for source in SOURCES[name]))


def build(name: str) -> str:
    """Compile a library; return an empty text, or why there is none."""
    compiler = shlex.split(os.environ.get("CC", "")) or ([found] if (found := shutil.which("cc")) else [])
    if not compiler:
        return f"no lib{name}.so: there is no C compiler (Debian, Ubuntu: gcc and libc6-dev); pictures load slower"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"{name}.so"
        define = f"-DUTP_SOURCE_HASH={source_hash(name):#x}u"
        sources = [str(FOLDER / source) for source in SOURCES[name] if source.endswith(".c")]
        command = [*compiler, *FLAGS, define, *sources, "-o", str(made), *LIBRARIES[name]]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
        except OSError as error:
            return f"no lib{name}.so: {compiler[0]} can't be started ({error.strerror}); pictures load slower"
        if done.returncode != 0:
            library_path(name).unlink(missing_ok=True)
            return f"no lib{name}.so: {_reason(done.stderr)}; pictures load slower"
        # Beside the old one, then in its place: a process that has the old one mapped keeps it.
        beside = library_path(name).with_suffix(f".{os.getpid()}.tmp")
        shutil.copy(made, beside)
        beside.replace(library_path(name))
    return ""


def _reason(complaint: str) -> str:
    if "jpeglib.h" in complaint or "-ljpeg" in complaint:
        return f"it needs {JPEG_PACKAGE}"
    lines = [line for line in complaint.splitlines() if "error" in line]
    return lines[0].strip() if lines else "the compiler failed"


if __name__ == "__main__":
    main()
