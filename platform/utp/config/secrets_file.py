"""Secrets of runs, such as HF_TOKEN: lines `NAME=VALUE` of a file that its owner alone may read.

Whoever trains reads it by itself: what a Ray job is given in its environment, Ray shows to everybody.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from utp.errors import ConfigError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def export_secrets(path: Path | None) -> None:
    """Set the file's variables in the environment of this process; none: there are no secrets. Raises `ConfigError`."""
    if path is not None:
        os.environ.update(read_secrets(path))


def read_secrets(path: Path) -> dict[str, str]:
    """Return names and values; a value may stand in quotes. Raises `ConfigError`, whose text holds no value."""
    try:
        mode, text = path.stat().st_mode, path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise _refused(path, f"can't be read here ({reason}); put it there on every machine, or unset it") from None
    if mode & _OTHERS:
        raise _refused(path, f"may be read by others (mode {stat.S_IMODE(mode):04o}); chmod 600 {path}")
    lines = enumerate((line.strip() for line in text.splitlines()), 1)
    return dict(_parse(path, number, line) for number, line in lines if line and not line.startswith("#"))


def _parse(path: Path, number: int, line: str) -> tuple[str, str]:
    name, separator, value = (part.strip() for part in line.partition("="))
    if not separator or not _NAME.fullmatch(name):
        raise _refused(path, f"line {number} is not NAME=VALUE; write one such line for each secret")
    is_quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return name, value[1:-1] if is_quoted else value


def _refused(path: Path, problem: str) -> ConfigError:
    return ConfigError((f"UTP_SECRETS_FILE: {path} {problem}",))
