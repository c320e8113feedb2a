"""Bodies of curves."""

from __future__ import annotations

from typing import Literal

from utp.api.schemas import Answer

MetricGroup = Literal["train", "val", "test", "system"]


class CurveOut(Answer):
    """One metric of one run over all its attempts."""

    run_id: str
    name: str
    """Id of the metric; `epoch/ID` where the id is one of steps and of epochs, and this is the one of epochs."""
    steps: list[int]
    values: list[float | None]
    epochs: list[int | None] | None
    """Of each step, counted from 1; null where the run did not say."""
    times_s: list[float | None] | None
    """Seconds from the run's first record to each step."""
    is_downsampled: bool
    """Whether there are more points; lowest and highest of each part are among these."""
    last_step: int
    """Give it as `after_step` to get what is new; -1 without a point."""


class CurveList(Answer):
    """Curves, by run and name."""

    items: list[CurveOut]


class MetricName(Answer):
    """One metric of a run."""

    name: str
    title: str
    unit: str | None
    group: MetricGroup
    is_higher_better: bool | None
    """Null where neither is."""
    last: float | None
    best: float | None
    """Highest or lowest so far, by `is_higher_better`."""
    last_step: int


class MetricNameList(Answer):
    """The metrics of a run, by name."""

    items: list[MetricName]
