from collections.abc import Iterator
from pathlib import Path

import pytest

from utp.entrypoints.checks.finding import GIB
from utp.entrypoints.checks.storage import (
    check_cache_folder,
    check_datasets_folder,
    check_runs_folder,
    judge_folder,
    try_commit,
)
from utp.settings import get_settings


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_trial_commit_leaves_nothing_behind(tmp_path: Path) -> None:
    trial = try_commit(tmp_path)
    assert trial.seconds > 0
    assert abs(trial.skew_s) < 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "status"), [(1 * GIB, "fail"), (10 * GIB, "warn"), (100 * GIB, "ok")])
def test_folder_is_judged_by_its_free_space(tmp_path: Path, free: int, status: str) -> None:
    assert judge_folder(tmp_path, "SHARED_LOGS_DIR", free_bytes=free).status == status


def test_folder_that_can_not_be_written_fails_by_name() -> None:
    finding = judge_folder(Path("/proc"), "SHARED_LOGS_DIR")  # not writable for root either
    assert finding.status == "fail"
    assert "/proc can't be written" in finding.found
    assert "SHARED_LOGS_DIR" in finding.todo


def test_mount_that_is_not_there_fails_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_LOGS_DIR", str(tmp_path / "logs"))
    monkeypatch.setenv("DATASETS_DIR", str(tmp_path / "data"))
    for variable, finding in (("SHARED_LOGS_DIR", check_runs_folder()), ("DATASETS_DIR", check_datasets_folder())):
        assert finding.status == "fail"
        assert variable in finding.found


def test_cache_folder_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTP_CACHE_DIR", str(tmp_path / "a" / "cache"))
    assert str(tmp_path) in check_cache_folder().found
    assert list(tmp_path.iterdir()) == []
