"""`python -m utp.entrypoints.scan DATASET TOKEN`: looks through a dataset and leaves counts, problems and an index.

A process of its own: it reads millions of files with libraries that parse what nobody vouches for. Settings come from
its environment, as those of every process.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from utp.core.data.manifest import scan_dataset
from utp.core.data.survey import Survey, survey_dataset
from utp.errors import DatasetError, UtpError
from utp.settings import Settings, get_settings
from utp.store.database import Database, open_database
from utp.store.recorder import Recorder
from utp.store.repositories.datasets import DatasetRepository
from utp.store.sample_index import SCHEMA, index_path

_log = logging.getLogger(__name__)

BEAT_EVERY_S = 1.0
_INSERT = "insert into samples values (null, ?, ?, ?, ?, ?, ?, ?)"


class Superseded(UtpError):
    """Another scan of the same dataset has been started."""


def main() -> None:
    """Scan the dataset that the arguments name."""
    dataset_id, token = sys.argv[1:3]
    settings = get_settings()
    database = open_database(settings)
    try:
        scan(database, settings, dataset_id, token)
    finally:
        database.close()


def scan(database: Database, settings: Settings, dataset_id: str, token: str) -> None:
    """Scan a dataset whose scan was claimed; whatever goes wrong becomes its message."""
    recorder = Recorder(database)
    root = Path(DatasetRepository(database).get(dataset_id).root)
    beat = _Beat(recorder, dataset_id, token)
    try:
        survey = survey_dataset(root, settings.cache_dir, beat.tell)
        write_index(index_path(settings.cache_dir, dataset_id), survey)
        fingerprint, classes = _fingerprint(root, settings.cache_dir)
    except Superseded:
        return
    except (UtpError, OSError, sqlite3.Error) as error:
        recorder.end_scan(dataset_id, token, message=str(error))
        return
    except Exception:
        _log.exception("the scan of %s failed", root)
        recorder.end_scan(dataset_id, token, message="the scanner failed; the server's log says where")
        raise
    found = f"{len(survey.images)} images, {len(survey.problems)} kinds of problems"
    recorder.end_scan(
        dataset_id, token, message=found, report=make_report(survey), fingerprint=fingerprint,
        summary={"classes": classes},
    )  # fmt: skip


def make_report(survey: Survey) -> dict[str, Any]:
    """Return what the store keeps of a survey."""
    splits = [{"name": name, "num_images": num, "size_bytes": size} for name, num, size in survey.splits()]
    return {
        "classes": survey.counts(),
        "splits": splits,
        "problems": [{**asdict(problem), "paths": list(problem.paths)} for problem in survey.problems],
    }


def write_index(place: Path, survey: Survey) -> None:
    """Write the images as a SQLite file, there whole or not at all. Raises `OSError`, `sqlite3.Error`."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=place.parent, suffix=".draft")
    os.close(descriptor)
    try:
        connection = sqlite3.connect(draft)
        try:
            connection.executescript(SCHEMA)
            rows = (
                (one.sample_id, one.split, one.label, os.fsencode(one.path), one.width, one.height, one.size_bytes)
                for one in survey.images
            )
            connection.executemany(_INSERT, rows)
            connection.commit()
        finally:
            connection.close()
        Path(draft).replace(place)
    finally:
        Path(draft).unlink(missing_ok=True)


def _fingerprint(root: Path, cache_dir: Path) -> tuple[str | None, list[str]]:
    """Return what runs on it will record; none where it can't be trained on."""
    try:
        manifest = scan_dataset(root, cache_dir=cache_dir)
    except DatasetError:
        return None, []
    return manifest.fingerprint, list(manifest.classes)


class _Beat:
    """Tells the store how far the scan is, once a second."""

    def __init__(self, recorder: Recorder, dataset_id: str, token: str) -> None:
        self._recorder, self._dataset_id, self._token = recorder, dataset_id, token
        self._told_at = float("-inf")

    def tell(self, done: int, total: int) -> None:
        if time.monotonic() - self._told_at < BEAT_EVERY_S:
            return
        self._told_at = time.monotonic()
        message = f"{done} of {total} images"
        if not self._recorder.beat_scan(self._dataset_id, self._token, num_seen=done, num_total=total, message=message):
            raise Superseded


if __name__ == "__main__":
    main()
