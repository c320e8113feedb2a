"""Bodies of comparisons."""

from __future__ import annotations

from typing import Any

from utp.api.schemas import Answer
from utp.store.states import RunState


class ComparedRun(Answer):
    """One of the runs."""

    id: str
    project_id: str
    name: str
    state: RunState
    owner: str
    best_metric: str | None
    best_value: float | None
    best_epoch: int | None
    run_time_s: float


class ConfigDifference(Answer):
    """A field whose value is not the same in all."""

    field: str
    values: list[Any]
    """In the order of the runs."""


class MetricRow(Answer):
    """One metric of all runs."""

    metric: str
    values: list[float | None]
    best_index: int | None
    """Null where fewer than two differ, or nobody knows whether more is better."""


class MetricSpread(Answer):
    """A metric over seeds."""

    mean: float
    sd: float | None
    """Sample standard deviation; null of a single value."""
    n: int


class SeedGroup(Answer):
    """Runs whose configs differ in the seed only."""

    run_ids: list[str]
    config_key: str
    """Names the config without its seed."""
    metric: dict[str, MetricSpread]


class Comparison(Answer):
    """Runs side by side."""

    runs: list[ComparedRun]
    config_diff: list[ConfigDifference]
    metrics: list[MetricRow]
    seed_groups: list[SeedGroup]
    """Of two runs or more."""


class ImageChange(Answer):
    """An image that one of two runs predicts right and the other wrong."""

    path: str
    label: int
    label_name: str
    predicted_a: str
    predicted_b: str
    probability_a: float | None
    """Of the class that the run predicted."""
    probability_b: float | None
    image_url: str


class ImageDiff(Answer):
    """What run b changes over run a, on the images that both have predicted."""

    fixed: list[ImageChange]
    """Wrong in a, right in b; where b is surest first."""
    broke: list[ImageChange]
    """Right in a, wrong in b; where b is surest first."""
    num_both_right: int
    num_both_wrong: int
    num_fixed: int
    num_broke: int
    p_value: float
    """McNemar's exact test, two-sided: how likely so uneven a split is if neither run is better."""
    accuracy_a: float | None
    accuracy_b: float | None
    epoch_a: int
    epoch_b: int
