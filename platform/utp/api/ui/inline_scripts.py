"""Hashes of the inline scripts of a page: with them in its Content-Security-Policy no other script can run."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser


def hash_inline_scripts(html: str) -> tuple[str, ...]:
    """Return `'sha256-...'` of each inline script, in the order of the page, each once (CSP level 3, section 2.3)."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    digests = (hashlib.sha256(script.encode()).digest() for script in reader.scripts)
    return tuple(dict.fromkeys(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_inside = tag == "script" and "src" not in dict(attrs)
        if self._is_inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = False

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.scripts[-1] += data
