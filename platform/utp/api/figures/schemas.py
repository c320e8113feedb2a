"""Bodies of figures."""

from __future__ import annotations

from typing import Any

from utp.api.schemas import Answer


class Figure(Answer):
    """One figure, as the last evaluation of its split drew it."""

    name: str
    title: str
    step: int
    epoch: int | None
    url: str
    """PNG."""
    data_url: str | None
    """What is drawn, as JSON, where it is kept."""


class FigureList(Answer):
    """Figures of a run, by name."""

    items: list[Figure]


class FigureData(Answer):
    """What a figure shows, or a table that has none: `split`, `epoch`, `step`, and the numbers under its name."""

    name: str
    content: dict[str, Any]
