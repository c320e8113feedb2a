import datetime
import resource
from pathlib import Path

import pytest

from utp.entrypoints.checks.finding import GIB
from utp.entrypoints.checks.machine import (
    check_clock,
    check_cores,
    check_memory,
    check_open_files,
    check_shared_memory,
    check_text_encoding,
)


def test_quota_below_the_cores_names_the_threads_to_set() -> None:
    finding = check_cores(quota=0.5)
    assert finding.status == "warn"
    assert "num_threads=1" in finding.todo


@pytest.mark.parametrize(("available", "status"), [(0.5 * GIB, "fail"), (2 * GIB, "warn"), (8 * GIB, "ok")])
def test_memory_is_judged_by_what_is_available(available: int, status: str) -> None:
    assert check_memory(available_bytes=available).status == status


def test_missing_shared_memory_is_a_warning(tmp_path: Path) -> None:
    finding = check_shared_memory(tmp_path / "shm")
    assert finding.status == "warn"
    assert "num_workers=0" in finding.todo


@pytest.mark.parametrize(("limit", "status"), [(256, "warn"), (1024, "ok"), (resource.RLIM_INFINITY, "ok")])
def test_few_open_files_are_a_warning(limit: int, status: str) -> None:
    assert check_open_files(limit).status == status


def test_clock_of_before_the_first_release_fails() -> None:
    assert check_clock(datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).status == "fail"
    assert check_clock().status == "ok"


def test_text_is_utf8_here() -> None:
    assert check_text_encoding().status == "ok"
