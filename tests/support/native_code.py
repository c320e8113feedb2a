"""Switches the compiled code for pictures on or off within a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from utp.core.native import jpeg, resize
from utp.core.native.library import forget_libraries
from utp.settings import get_settings


@contextmanager
def native_code(*, on: bool) -> Iterator[None]:
    """Have everything within use the compiled code, where it is built, or do without."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("UTP_NATIVE", "1" if on else "0")
        _forget()
        yield
    _forget()


def _forget() -> None:
    for forget in (
        get_settings.cache_clear,
        forget_libraries,
        resize.loaded_function.cache_clear,
        jpeg.loaded_library.cache_clear,
    ):
        forget()
