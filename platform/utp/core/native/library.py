"""Loads the compiled libraries of this folder; where one is missing or does not fit, says why and does without."""

from __future__ import annotations

import ctypes
import logging
from functools import cache

from utp.core.native.build import library_path, source_hash
from utp.settings import get_settings

log = logging.getLogger(__name__)


@cache
def load_library(name: str) -> ctypes.CDLL | None:
    """Return the library, or none; `problem_of` says why."""
    return None if problem_of(name) else ctypes.CDLL(str(library_path(name)))


@cache
def problem_of(name: str) -> str:
    """Return why the library can't be used, or an empty text."""
    if not get_settings().native:
        return "UTP_NATIVE=0 switches it off"
    if not library_path(name).exists():
        return f"lib{name}.so is not built"
    try:
        library = ctypes.CDLL(str(library_path(name)))
        built_of = library.utp_source_hash
    except (OSError, AttributeError) as error:
        return f"lib{name}.so can't be loaded ({error})"
    built_of.restype = ctypes.c_uint32
    if built_of() != source_hash(name):
        return f"lib{name}.so was built of other sources"
    return ""


def forget_libraries() -> None:
    """Have the next use look again; for tests that switch `UTP_NATIVE`."""
    load_library.cache_clear()
    problem_of.cache_clear()
