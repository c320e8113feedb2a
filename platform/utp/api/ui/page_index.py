"""Which file of an exported page answers which path. The folder is read once: nothing outside of it can be named.

An exact file comes first, then `PATH.html` or `PATH/index.html`, then the same with ids replaced by `_`: that is the id
for which the export makes the shell of a dynamic route. So the folder itself is the table of routes.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from utp.api.ui.inline_scripts import hash_inline_scripts

PLACEHOLDER = "_"
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
"""Files that the build has compressed, the better way first."""
NOT_FOUND = "/404.html"


@dataclass(frozen=True)
class PageFile:
    """One file of the page."""

    path: Path
    media_type: str
    encoded: Mapping[str, Path]
    """By content encoding."""
    script_hashes: tuple[str, ...]


class PageIndex:
    """All files of an exported page by path, as they were when it was made."""

    def __init__(self, root: Path) -> None:
        root = root.resolve()
        names = {f"/{path.relative_to(root).as_posix()}": path for path in root.rglob("*") if path.is_file()}
        packed = tuple(suffix for _, suffix in ENCODINGS)
        self.files = {name: _describe(path) for name, path in names.items() if not name.endswith(packed)}
        self._folders = {""} | {f"/{path.relative_to(root).as_posix()}" for path in root.rglob("*") if path.is_dir()}

    def find(self, path: str) -> PageFile | None:
        """Return what answers a decoded path; None for nothing."""
        if path in self.files:
            return self.files[path]
        parts = [part for part in path.split("/") if part]
        if any(part in (".", "..") for part in parts):
            return None
        if not parts:
            return self.files.get("/index.html")
        folder = self._find_folder(parts[:-1])
        if folder is None:
            return None
        return next((self.files[name] for name in _candidates(folder, parts[-1]) if name in self.files), None)

    @property
    def not_found(self) -> PageFile | None:
        """The page for paths that there are not."""
        return self.files.get(NOT_FOUND)

    def _find_folder(self, parts: list[str]) -> str | None:
        folder = ""
        for part in parts:
            named = (f"{folder}/{part}", f"{folder}/{PLACEHOLDER}")
            found = next((name for name in named if name in self._folders), None)
            if found is None:
                return None
            folder = found
        return folder


def _candidates(folder: str, last: str) -> Iterator[str]:
    is_payload = last.endswith(".txt")  # what the router of the page fetches in place of a whole page
    stem = last.removesuffix(".txt") if is_payload else last
    for name in (stem, PLACEHOLDER):
        if is_payload:
            yield f"{folder}/{name}.txt"
        else:
            yield from (f"{folder}/{name}", f"{folder}/{name}.html", f"{folder}/{name}/index.html")


def _describe(path: Path) -> PageFile:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    encoded = {name: path.with_name(path.name + suffix) for name, suffix in ENCODINGS}
    hashes = hash_inline_scripts(path.read_text("utf-8", "replace")) if path.suffix == ".html" else ()
    return PageFile(path, media_type, {name: one for name, one in encoded.items() if one.is_file()}, hashes)
