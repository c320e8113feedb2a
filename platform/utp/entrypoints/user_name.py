"""Who calls a command."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """Return the user's name; `uid-N` for one without, as a container may be run."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
