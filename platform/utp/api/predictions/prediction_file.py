"""A run's predictions of one split, as `core/prediction_table.py` writes them; read by column, as they are needed.

pyarrow is imported on use: the API starts without it, and says so where it is missing. Columns are its arrays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from utp.api.errors import LibraryMissing
from utp.api.files.opening import open_beneath
from utp.store.errors import Conflict, NotFound

FILES: Mapping[str, Sequence[str]] = {"train": (), "val": ("val_best", "val_last"), "test": ("test",)}
"""By split, the one that is taken without an epoch first."""
MAX_ROWS = 1_000_000
"""About 150 bytes of memory a row while a page is made."""
METADATA_KEY = b"utp"


@dataclass(frozen=True)
class PredictionFacts:
    """What a file says of itself."""

    name: str
    """File name without its suffix."""
    split: str
    epoch: int
    step: int
    classes: Sequence[str]
    num_rows: int


class PredictionFile:
    """An opened file.

    Args:
        source: a `pyarrow.parquet.ParquetFile`.
        facts: from `read_facts`.
    """

    def __init__(self, source: Any, facts: PredictionFacts) -> None:
        self._source = source
        self.facts = facts

    @cached_property
    def labels(self) -> Any:
        """True classes, int32, (N,)."""
        return self._column("label")

    @cached_property
    def predicted(self) -> Any:
        """Predicted classes, int32, (N,)."""
        return self._column("predicted")

    @cached_property
    def losses(self) -> Any:
        """Loss of each sample, float32, (N,)."""
        return self._column("loss")

    @cached_property
    def confidences(self) -> Any:
        """Probability of the predicted class, float32, (N,)."""
        from pyarrow import compute  # noqa: PLC0415  heavy, see above

        return compute.list_element(self._column("top_probabilities"), 0)

    @cached_property
    def is_right(self) -> Any:
        """Whether the predicted class is the true one, boolean, (N,)."""
        from pyarrow import compute  # noqa: PLC0415

        return compute.equal(self.labels, self.predicted)

    def sample_ids(self) -> Any:
        """Return the ids, strings, (N,)."""
        return self._column("sample_id")

    def rows(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Return whole rows, in the order of `indices`."""
        return list(self._source.read().take(list(indices)).to_pylist()) if indices else []

    def _column(self, name: str) -> Any:
        return self._source.read([name]).column(0).combine_chunks()


@contextmanager
def open_predictions(run_dir: Path, split: str, epoch: int | None = None) -> Iterator[PredictionFile]:
    """Open what a run predicted of a split, of an epoch or else of the best one.

    Raises:
        NotFound: there is none of that split and epoch.
        Conflict: it is too large to be shown.
        LibraryMissing: pyarrow is not installed.
    """
    for name in FILES.get(split, ()):
        try:
            file = open_beneath(run_dir, f"predictions/{name}.parquet")
        except NotFound:
            continue
        with file, _parquet_file(file) as source:
            facts = _facts(name, source)
            if epoch is not None and facts.epoch != epoch:
                continue
            if facts.num_rows > MAX_ROWS:
                raise Conflict(
                    f"it has {facts.num_rows} rows, more than the {MAX_ROWS} that are shown", "read the file itself"
                )
            yield PredictionFile(source, facts)
            return
    raise NotFound("predictions of", f"{split}{'' if epoch is None else f', epoch {epoch},'}")


def list_predictions(run_dir: Path) -> list[PredictionFacts]:
    """Return what a run keeps predictions of."""
    found = []
    for name in (name for names in FILES.values() for name in names):
        try:
            with open_beneath(run_dir, f"predictions/{name}.parquet") as file, _parquet_file(file) as source:
                found.append(_facts(name, source))
        except (NotFound, Conflict):
            continue
    return found


@contextmanager
def _parquet_file(file: Any) -> Iterator[Any]:
    """Open a Parquet file. Raises `Conflict` for one that is damaged."""
    try:
        import pyarrow  # noqa: PLC0415  heavy, see above
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise LibraryMissing("pyarrow", "predictions") from error
    try:
        source = parquet.ParquetFile(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise Conflict("the file of predictions is damaged or being replaced", "try again, or evaluate anew") from error
    with source:
        yield source


def _facts(name: str, source: Any) -> PredictionFacts:
    content = json.loads((source.schema_arrow.metadata or {}).get(METADATA_KEY, b"{}"))
    return PredictionFacts(
        name=name,
        split=str(content.get("split", "")),
        epoch=int(content.get("epoch") or 0),
        step=int(content.get("step") or 0),
        classes=[str(one) for one in content.get("classes", [])],
        num_rows=source.metadata.num_rows,
    )
