"""The manifest of a checkpoint: its files with sizes and hashes, its place in the run, and a hash of itself.

It is written last, so that a directory with a manifest that verifies is a complete checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from utp.core.durable import WrittenFile, hash_file, json_bytes, write_hashed

MANIFEST = "MANIFEST.json"
SCHEMA_VERSION = 2
"""Version 1 had no hash of itself and is still read."""


class ManifestUnreadable(Exception):
    """A manifest is missing, torn, altered, or of a newer UTP; says which."""


@dataclass(frozen=True)
class CheckpointManifest:
    """What a manifest says."""

    attempt: int
    sequence: int
    """Counts the run's commits; the newest checkpoint has the highest."""
    step: int
    epoch: int
    files: tuple[WrittenFile, ...]

    def write(self, directory: Path) -> None:
        """Write it into a checkpoint's directory, as the last of its files."""
        content = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        write_hashed(directory / MANIFEST, [json_bytes({**content, "sha256": _hash(content)})])


def read_manifest(directory: Path) -> CheckpointManifest:
    """Return the manifest of a checkpoint's directory, after its own hash was verified.

    Raises:
        ManifestUnreadable: it is missing, torn, altered or of a newer UTP.
    """
    content = _read(directory)
    if (version := content.get("schema_version")) != 1:
        if _is_newer(version):
            raise ManifestUnreadable(f"it has schema {version}, this UTP reads up to {SCHEMA_VERSION}: update UTP")
        if content.pop("sha256", None) != _hash(content):
            raise ManifestUnreadable("its content has changed")
    try:
        files = tuple(WrittenFile(f["name"], f["size_bytes"], f["sha256"]) for f in content["files"])
        return CheckpointManifest(content["attempt"], content["sequence"], content["step"], content["epoch"], files)
    except (KeyError, TypeError) as error:
        raise ManifestUnreadable(f"it lacks {error}") from error


def newer_schema(directory: Path) -> int | None:
    """Return the version of a manifest that a newer UTP wrote, else None."""
    try:
        version = _read(directory).get("schema_version")
    except ManifestUnreadable:
        return None
    return version if _is_newer(version) else None


def find_fault(directory: Path) -> str | None:
    """Return what is wrong with a checkpoint directory: a missing, short, long or altered file; None if it verifies."""
    try:
        files = read_manifest(directory).files
    except ManifestUnreadable as error:
        return f"its manifest can't be read ({error})"
    faults = (_find_file_fault(directory, written) for written in files)
    return next((fault for fault in faults if fault is not None), None)


def _find_file_fault(directory: Path, written: WrittenFile) -> str | None:
    path = directory / written.name
    if not path.is_file():
        return f"{written.name} is missing"
    if (size := path.stat().st_size) != written.size_bytes:
        return f"{written.name} has {size} bytes, {written.size_bytes} were written"
    return None if hash_file(path) == written.sha256 else f"the content of {written.name} has changed"


def _read(directory: Path) -> dict[str, Any]:
    try:
        content = json.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise ManifestUnreadable(str(error)) from error
    if not isinstance(content, dict):
        raise ManifestUnreadable("it is no JSON object")
    return content


def _is_newer(version: Any) -> bool:
    return isinstance(version, int) and version > SCHEMA_VERSION


def _hash(content: dict[str, Any]) -> str:
    """Hash of the content, not of its layout in the file."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
