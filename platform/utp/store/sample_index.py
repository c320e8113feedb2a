"""The index of a dataset's images: a SQLite file in the cache, written by its scan and read page by page.

It is no part of the database: it can be made anew from the files, and a million rows would hold up its writers.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from utp.store.errors import Conflict, NotFound

SCHEMA = """
create table samples (
    number integer primary key, sample_id text not null, split text not null, label text not null, path blob not null,
    width integer, height integer, size_bytes integer not null
);
create index by_place on samples (split, label, number);
create index by_label on samples (label, number);
create index by_sample on samples (sample_id);
"""
_COLUMNS = "number, sample_id, split, label, path, width, height, size_bytes"


@dataclass(frozen=True)
class IndexedSample:
    """One image."""

    number: int
    """Its place in the order of split, class and path."""
    sample_id: str
    split: str
    label: str
    path: str
    """Relative to the root; bytes that are no UTF-8 are escaped as Python does."""
    width: int | None
    height: int | None
    size_bytes: int


def index_path(cache_dir: Path, dataset_id: str) -> Path:
    """Return where the index of a dataset lies."""
    return cache_dir / "datasets" / f"{dataset_id}.sqlite"


class SampleIndex:
    """Reads an index.

    Args:
        place: from `index_path`.
    """

    def __init__(self, place: Path) -> None:
        self._place = place

    def page(self, *, split: str | None, label: str | None, after: int, limit: int) -> list[IndexedSample]:
        """Return images behind a number. Raises `Conflict` where there is no index."""
        wanted = {"split": split, "label": label}
        conditions = [f"{name} = :{name}" for name, value in wanted.items() if value is not None]
        where = " and ".join(["number > :after", *conditions])
        query = f"select {_COLUMNS} from samples where {where} order by number limit :limit"  # noqa: S608  our names
        with self._open() as connection:
            rows = connection.execute(query, {**wanted, "after": after, "limit": limit}).fetchall()
        return [_to_sample(row) for row in rows]

    def get(self, sample_id: str) -> IndexedSample:
        """Return one image. Raises `NotFound`, `Conflict` where there is no index."""
        query = f"select {_COLUMNS} from samples where sample_id = ?"  # noqa: S608
        with self._open() as connection:
            row = connection.execute(query, (sample_id,)).fetchone()
        if row is None:
            raise NotFound("sample", sample_id)
        return _to_sample(row)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self._place.is_file():
            raise Conflict("the dataset has not been scanned here yet", "scan it")
        connection = sqlite3.connect(f"{self._place.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            yield connection
        except sqlite3.DatabaseError as error:
            raise Conflict("the index of the dataset is damaged", "scan it again") from error
        finally:
            connection.close()


def _to_sample(row: tuple[int, str, str, str, bytes, int | None, int | None, int]) -> IndexedSample:
    number, sample_id, split, label, path, width, height, size_bytes = row
    return IndexedSample(number, sample_id, split, label, os.fsdecode(path), width, height, size_bytes)
