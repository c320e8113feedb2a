"""What makes a zip file harmless to unpack; all of it is looked at before a byte is written."""

from __future__ import annotations

import stat
import struct
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from utp.cluster.run_archive import CHECKPOINT_FOLDER, MANIFEST_NAME, RUN_FOLDER, STORE_NAME
from utp.config.paths import MAX_COMPONENT_BYTES
from utp.errors import FailureKind, UtpError

MAX_FILES = 100_000
MAX_DIRECTORY_BYTES = 64 << 20
"""Of the zip file's own list of entries, which is read into memory."""
MAX_BYTES = 200 * 10**9
MAX_RATIO = 100
"""Of unpacked to packed bytes, beyond `FREE_BYTES`: logs reach 20, a zip bomb 1000."""
FREE_BYTES = 100 * 10**6
_END = struct.Struct("<4s4H2LH")
_END_64_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
"""End of a zip file, and its larger kin (APPNOTE 4.3.14 to 4.3.16)."""


class ArchiveRefused(UtpError, ValueError):
    """A file that is no whole and harmless archive of a run."""

    kind = FailureKind.DATA_ERROR

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, reason)
        self.file = file
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file} is refused: {self.reason}; export the run once more, or get the file from who made it"


def refuse_large_directory(raw: BinaryIO, file: Path) -> None:
    """Raise `ArchiveRefused` if the list of entries, which `zipfile` reads at once, is too long or not at the end."""
    size = raw.seek(0, 2)
    raw.seek(max(0, size - _END.size))
    end = raw.read(_END.size)
    if len(end) < _END.size or not end.startswith(b"PK\x05\x06"):
        raise ArchiveRefused(str(file), "it is no zip file that utp wrote, or its end is missing")
    directory_bytes = _END.unpack(end)[5]
    if directory_bytes == 0xFFFFFFFF:
        raw.seek(max(0, size - _END.size - _END_64_LOCATOR.size))
        end_64 = _END_64_LOCATOR.unpack(raw.read(_END_64_LOCATOR.size))[2]
        if end_64 > size:
            raise ArchiveRefused(str(file), "its end names a place beyond it")
        raw.seek(end_64)
        directory_bytes = _END_64.unpack(raw.read(_END_64.size))[8]
    raw.seek(0)
    if directory_bytes > MAX_DIRECTORY_BYTES:
        raise ArchiveRefused(str(file), f"its list of files has {directory_bytes} bytes, over {MAX_DIRECTORY_BYTES}")


def check_entries(archive: zipfile.ZipFile, file: Path, max_bytes: int) -> Mapping[str, zipfile.ZipInfo]:
    """Return the entries by name. Raises `ArchiveRefused` if one of them, or all together, can't be harmless."""
    infos = archive.infolist()
    entries = {info.filename: info for info in infos}
    if len(infos) > MAX_FILES or len(entries) < len(infos):
        raise ArchiveRefused(str(file), f"it has over {MAX_FILES} files, or a name twice")
    for info in infos:
        if fault := _find_fault(info):
            raise ArchiveRefused(str(file), f"{info.filename[:200]!r} {fault}")
    total = sum(info.file_size for info in infos)
    if total > max_bytes:
        raise ArchiveRefused(str(file), f"it takes {total} bytes unpacked, over {max_bytes}")
    if total > FREE_BYTES + MAX_RATIO * file.stat().st_size:
        raise ArchiveRefused(str(file), f"it grows to {total} bytes when unpacked, over {MAX_RATIO} times its size")
    return entries


def _find_fault(info: zipfile.ZipInfo) -> str | None:
    name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
    parts = name.split("/")
    if name != info.orig_filename or any(unicodedata.category(character)[0] == "C" for character in name):
        return "holds characters that no name may have"
    if "\\" in name or any(part in ("", ".", "..") for part in parts):
        return "leads outside its folder"
    is_foreign = len(parts) < 2 or parts[0] not in (RUN_FOLDER, CHECKPOINT_FOLDER)
    is_long = len(name.encode()) > 1024 or any(len(part.encode()) > MAX_COMPONENT_BYTES for part in parts)
    if is_long or (is_foreign and name not in (MANIFEST_NAME, STORE_NAME)):
        return "is none of a run's files, or its name is too long"
    if kind not in (0, stat.S_IFREG):
        return "is a link or a device, no file"
    if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is encrypted, or packed in a way that utp does not use"
    return None
