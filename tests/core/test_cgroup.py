from pathlib import Path

import pytest

from utp.core.cgroup import cpu_quota, memory_limit_bytes, memory_used_bytes


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own"
    file.write_text("0::/slice/job\n")
    (tmp_path / "mount" / "slice" / "job").mkdir(parents=True)
    return file


def test_smallest_limit_on_the_way_to_the_root_holds(tmp_path: Path, own: Path) -> None:
    mount = tmp_path / "mount"
    (mount / "slice" / "cpu.max").write_text("150000 100000\n")
    (mount / "slice" / "job" / "cpu.max").write_text("400000 100000\n")
    (mount / "slice" / "memory.max").write_text("max\n")
    (mount / "slice" / "job" / "memory.max").write_text("2147483648\n")
    assert cpu_quota(mount, own) == 1.5
    assert memory_limit_bytes(mount, own) == 2147483648


def test_no_limit_is_none(tmp_path: Path, own: Path) -> None:
    mount = tmp_path / "mount"
    (mount / "slice" / "cpu.max").write_text("max 100000\n")
    (mount / "slice" / "memory.max").write_text("max\n")
    assert cpu_quota(mount, own) is None
    assert memory_limit_bytes(mount, own) is None
    assert cpu_quota(tmp_path / "absent", tmp_path / "absent") is None


def test_version_1_of_a_container_is_read(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("50000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("1073741824\n")
    assert cpu_quota(tmp_path, tmp_path / "own") == 0.5
    assert memory_limit_bytes(tmp_path, tmp_path / "own") == 1073741824


def test_version_1_without_limit_is_none(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert cpu_quota(tmp_path, tmp_path / "own") is None
    assert memory_limit_bytes(tmp_path, tmp_path / "own") is None


def test_file_cache_does_not_count_as_used(tmp_path: Path, own: Path) -> None:
    job = tmp_path / "mount" / "slice" / "job"
    (job / "memory.current").write_text("1000\n")
    (job / "memory.stat").write_text("anon 600\ninactive_file 300\n")
    assert memory_used_bytes(tmp_path / "mount", own) == 700
    assert memory_used_bytes(tmp_path / "absent", tmp_path / "absent") == 0


def test_use_of_a_version_1_group_is_read(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.usage_in_bytes").write_text("1000\n")
    (tmp_path / "memory" / "memory.stat").write_text("inactive_file 100\ntotal_inactive_file 400\n")
    assert memory_used_bytes(tmp_path, tmp_path / "absent") == 600
