"""Writes a run's rows, figures and config for TensorBoard; x is the global step."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard.summary import hparams
from torch.utils.tensorboard.writer import SummaryWriter

from utp.core.figures import DPI

FLUSH_S = 5

TAGS = {
    "epoch": "epoch",
    "lr": "train/lr",
    "eval_s": "time/eval",
    "data_wait_share": "time/data_wait_share",
    "images_per_s": "throughput/img_s",
}
GROUPS = ("train", "val", "test", "time", "gpu")
"""An id that begins so, as `val_f1_macro`, becomes `val/f1_macro`; `acc@5` becomes `acc5`. Others keep their name."""


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
        self._writer = SummaryWriter(str(directory), purge_step=purge_step, flush_secs=FLUSH_S)

    def write_row(self, row: Mapping[str, Any]) -> None:
        """Write the numbers of a row at its `step`; None, texts and flags are left out."""
        values = [
            Summary.Value(tag=tag_of(metric_id), simple_value=float(value))
            for metric_id, value in row.items()
            if metric_id != "step" and _is_number(value)
        ]
        event_file: Any = self._writer.file_writer
        event_file.add_summary(Summary(value=values), row["step"])  # as one event: add_scalar writes one for each

    def write_figure(self, tag: str, figure: Figure | Path, step: int) -> None:
        """Write a figure, or the PNG that was saved of it, as an image."""
        with BytesIO() as png:
            if isinstance(figure, Figure):
                figure.savefig(png, format="png", dpi=DPI)
            with Image.open(png if isinstance(figure, Figure) else figure) as image:
                pixels = np.asarray(image.convert("RGB"))
        self._writer.add_image(tag, pixels, step, dataformats="HWC")

    def write_text(self, tag: str, text: str, step: int = 0) -> None:
        """Write a text that is shown as it stands: indented, or TensorBoard's Markdown would join its lines."""
        self._writer.add_text(tag, "\n".join(f"    {line}" for line in text.splitlines()), step)

    def write_hparams(self, config: Mapping[str, Any], metrics: Mapping[str, float | None], step: int = 0) -> None:
        """Write the config and final metrics for the HPARAMS page, once, at the end of a run.

        Into this run's own event file: `add_hparams` would show a second run, in a folder named after the time.
        """
        results = {f"hparams/{tag_of(name)}": value for name, value in metrics.items() if _is_number(value)}
        event_file: Any = self._writer.file_writer
        for summary in hparams(_flat(config), results):  # type: ignore[no-untyped-call]
            event_file.add_summary(summary)
        for tag, value in results.items():
            self._writer.add_scalar(tag, value, step)

    def flush(self) -> None:
        """Put everything written so far into the file."""
        self._writer.flush()

    def close(self) -> None:
        """Flush and close; may be called again."""
        self._writer.close()


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
