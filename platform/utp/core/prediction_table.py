"""What a classifier predicted of each sample of a split, as a table and as a Parquet file.

A row per sample in the order of the dataset: `sample_id`, `path`, `label`, `predicted`, `top_classes` and
`top_probabilities` (the 5 most probable, fewer where there are fewer classes), `true_class_probability`, `loss`.
Labels are class indices; the file's metadata has, under `utp`, JSON with their names and where the rows come from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow
from pyarrow import parquet

from utp.core.data.manifest import Sample
from utp.core.durable import replacing
from utp.core.metrics.scores import ClassificationScores

SCHEMA_VERSION = 1
MAX_TOP = 5
METADATA_KEY = b"utp"


def prediction_table(
    scores: ClassificationScores, samples: Sequence[Sample], split: str, facts: Mapping[str, Any]
) -> pyarrow.Table:
    """Return the table; `scores` has losses and indices into `samples`, `facts` (JSON) go into the metadata."""
    assert scores.indices is not None, "rows are told apart by their index"
    assert scores.losses is not None, "the collector keeps them"
    chosen = [samples[index] for index in scores.indices.tolist()]
    top = scores.top(min(MAX_TOP, scores.num_classes))
    columns = {
        "sample_id": pyarrow.array([sample.sample_id for sample in chosen], pyarrow.string()),
        "path": pyarrow.array([_text(sample.path) for sample in chosen], pyarrow.string()),
        "label": pyarrow.array(scores.labels, pyarrow.int32()),
        "predicted": pyarrow.array(scores.predicted, pyarrow.int32()),
        "top_classes": _rows(top.classes.astype(np.int32)),
        "top_probabilities": _rows(top.probabilities),
        "true_class_probability": pyarrow.array(np.exp(scores.true_log_probability)),
        "loss": pyarrow.array(scores.losses),
    }
    return _with_facts(pyarrow.table(columns), {"schema_version": SCHEMA_VERSION, "split": split, **facts})


def write_predictions(path: Path, table: pyarrow.Table, **facts: Any) -> None:
    """Write the table with more `facts` in its metadata, whole or not at all; makes the folder. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        parquet.write_table(_with_facts(table, facts), temporary, compression="zstd")


def read_facts(path: Path) -> dict[str, Any]:
    """Return what the file says of itself: classes, data fingerprint, split, epoch, step."""
    return _facts(parquet.read_schema(path))


def _with_facts(table: pyarrow.Table, facts: Mapping[str, Any]) -> pyarrow.Table:
    text = json.dumps({**_facts(table.schema), **facts}, allow_nan=False)
    return table.replace_schema_metadata({METADATA_KEY: text.encode()})


def _facts(schema: pyarrow.Schema) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((schema.metadata or {}).get(METADATA_KEY, b"{}"))
    return facts


def _rows(values: npt.NDArray[Any]) -> pyarrow.Array:
    """Return (N, K) as a column of lists of K."""
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.reshape(-1)), values.shape[1])


def _text(path: str) -> str:
    """Return a path as UTF-8, which the name of a file need not be: the odd bytes as `\\xNN`."""
    return os.fsencode(path).decode(errors="backslashreplace")
