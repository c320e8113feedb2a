"""What a check of the machine found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GIB = 1024**3


@dataclass(frozen=True)
class Finding:
    """One check's answer: `fail` stops training, `warn` makes it slow or fragile. `todo` is empty when all is well."""

    status: Literal["ok", "warn", "fail"]
    found: str
    todo: str = ""
