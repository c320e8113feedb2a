"""Which files are a run's logs, and where they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from utp.logs.places import find_log, list_logs

RUN = "a" * 32


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("line\n")


def test_copy_of_the_head_goes_before_the_workers_file(tmp_path: Path) -> None:
    home, run_dir = tmp_path / "home", tmp_path / "run"
    write(own := run_dir / "attempts/1/rank0.log")
    assert find_log(home, str(run_dir), RUN, 1, "rank0.log") == own
    write(copy := home / "logs" / RUN / "1/rank0.log")
    assert find_log(home, str(run_dir), RUN, 1, "rank0.log") == copy


def test_logs_are_listed_by_attempt_and_rank(tmp_path: Path) -> None:
    home, run_dir = tmp_path / "home", tmp_path / "run"
    for name in ("attempts/2/rank10.log", "attempts/2/rank2.log", "attempts/2/job.log", "attempts/2/notes.log"):
        write(run_dir / name)
    write(run_dir / "attempts/old/rank0.log")
    write(home / "logs" / RUN / "1/rank0.log")
    write(home / "logs" / RUN / "1/metrics.jsonl")
    listed = [(place.attempt, place.stream) for place in list_logs(home, str(run_dir), RUN)]
    assert listed == [(1, "rank0.log"), (2, "rank2.log"), (2, "rank10.log"), (2, "job.log")]


NO_LOGS = ["../../etc/passwd", "rank0.log/..", "rank\u0661.log", "metrics.jsonl", "", "rank0.log\n"]


@pytest.mark.parametrize("stream", NO_LOGS)
def test_anything_else_is_no_log(tmp_path: Path, stream: str) -> None:
    with pytest.raises(ValueError, match="no such log"):
        find_log(tmp_path, str(tmp_path), RUN, 1, stream)
