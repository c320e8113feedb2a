"""What curves are called: a metric's id, its title and unit, and the group it is shown in."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from utp.api.metrics.schemas import MetricGroup
from utp.store.recorder.progress import TIME

EPOCH = "epoch"
"""Series of the epoch of each step; with `TIME` the other axes of curves, and no curve itself."""
AXES = frozenset({EPOCH, TIME})

SeriesKey = tuple[str, str]
"""Kind of row and id of metric, as the store has it."""

_SPLITS = {"train_": "Training", "val_": "Validation", "test_": "Test"}
_TITLES = {
    "loss": "loss",
    "map": "mAP",
    "f1_macro": "F1 (macro)",
    "auroc_macro": "AUROC (macro)",
    "cohenkappa": "Cohen's kappa",
    "recall_micro": "recall (micro)",
    "recall_macro": "recall (macro)",
    "ece": "calibration error (ECE)",
    "lr": "Learning rate",
    "grad_norm": "Gradient norm",
    "images_per_s": "Throughput",
    "data_wait_share": "Waiting for data",
    "eval_s": "Time of evaluation",
}
_OF_TRAINING = ("lr", "grad_norm", "loss_scale", "skipped_steps")
_SUFFIX_UNITS = {"_per_s": "1/s", "_share": "share", "_bytes": "bytes", "_percent": "%", "_s": "s", "_c": "°C"}


def public_names(keys: Collection[SeriesKey]) -> Mapping[SeriesKey, str]:
    """Return what the curves of one run are called."""
    by_step = {name for kind, name in keys if kind == "train"}
    return {
        (kind, name): f"epoch/{name}" if kind == "epoch" and name in by_step else name
        for kind, name in keys
        if name not in AXES
    }


def metric_id(public_name: str) -> str:
    """Return the id of the metric of a curve."""
    return public_name.removeprefix("epoch/")


def group_of(name: str) -> MetricGroup:
    """Return the group of a metric by its id."""
    if name.startswith("val_"):
        return "val"
    if name.startswith("test_"):
        return "test"
    return "train" if name.startswith("train_") or name.startswith(_OF_TRAINING) else "system"


def title_of(public_name: str) -> str:
    """Return a title for people."""
    name = metric_id(public_name)
    prefix = next((prefix for prefix in _SPLITS if name.startswith(prefix)), "")
    rest = name.removeprefix(prefix)
    accuracy = re.fullmatch(r"acc@(\d+)", rest)
    said = f"accuracy (top-{accuracy[1]})" if accuracy else _TITLES.get(rest, rest.replace("_", " "))
    title = f"{_SPLITS[prefix]} {said}" if prefix else said[:1].upper() + said[1:]
    return f"{title}, by epoch" if public_name != name else title


def unit_of(public_name: str) -> str | None:
    """Return the unit; none for a number without one."""
    name = metric_id(public_name)
    if name == "images_per_s":
        return "images/s"
    return next((unit for suffix, unit in _SUFFIX_UNITS.items() if name.endswith(suffix)), None)
