"""Writes a run's rows, figures and config for TensorBoard; x is the global step."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard.summary import hparams, image, scalar

from utp.core.event_file import EventFile

TAGS = {
    "epoch": "epoch",
    "lr": "train/lr",
    "eval_s": "time/eval",
    "data_wait_share": "time/data_wait_share",
    "images_per_s": "throughput/img_s",
}
GROUPS = ("train", "val", "test", "time", "gpu")
"""An id that begins so, as `val_f1_macro`, becomes `val/f1_macro`; `acc@5` becomes `acc5`. Others keep their name."""


@lru_cache(maxsize=1024)
def tag_of(metric_id: str) -> str:
    """Return the TensorBoard tag of a metric id."""
    if metric_id in TAGS:
        return TAGS[metric_id]
    group, _, name = metric_id.partition("_")
    tag = f"{group}/{name}" if group in GROUPS and name else metric_id
    return re.sub(r"acc@(\d+)$", r"acc\1", tag)


class TensorBoardLog:
    """Event files of one run in `directory`.

    Args:
        directory: made if need be; a resumed run continues in the same one.
        purge_step: on a resume the first step that will be written anew; TensorBoard then hides what an earlier
            attempt wrote from this step on. None on a fresh start.
    """

    def __init__(self, directory: Path, purge_step: int | None = None) -> None:
        self._events = EventFile(directory, purge_step)

    def write_row(self, row: Mapping[str, Any]) -> None:
        """Write the numbers of a row at its `step`; None, texts and flags are left out."""
        values = [
            Summary.Value(tag=tag_of(metric_id), simple_value=float(value))
            for metric_id, value in row.items()
            if metric_id != "step" and _is_number(value)
        ]
        self._events.add(Summary(value=values), row["step"])

    def write_figure(self, tag: str, png: Path, step: int) -> None:
        """Write the PNG that was saved of a figure as an image."""
        with Image.open(png) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        self._events.add(image(tag, pixels, dataformats="HWC"), step)  # type: ignore[no-untyped-call]

    def write_hparams(self, config: Mapping[str, Any], metrics: Mapping[str, float | None], step: int = 0) -> None:
        """Write the config and final metrics for the HPARAMS page, once, at the end of a run.

        Into this run's own event file: `add_hparams` would show a second run, in a folder named after the time.
        """
        results = {f"hparams/{tag_of(name)}": value for name, value in metrics.items() if _is_number(value)}
        for summary in hparams(_flat(config), results):  # type: ignore[no-untyped-call]
            self._events.add(summary)
        for tag, value in results.items():
            self._events.add(scalar(tag, value), step)  # type: ignore[no-untyped-call]

    def flush(self) -> None:
        """Put everything written so far into the file."""
        self._events.flush()

    def close(self) -> None:
        """Flush and close; may be called again."""
        self._events.close()


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return False
    return math.isfinite(value)


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    """Return fields by dotted name: options one by one, lists as JSON, None left out."""
    fields: dict[str, str | int | float | bool] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            fields |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, (str, int, float)):
            fields[prefix + name] = value
        elif value is not None:
            fields[prefix + name] = json.dumps(value)
    return fields
