"""What rank 0 tells of its progress between two steps."""

from __future__ import annotations

from pathlib import Path

from tests.support.fake_head import FakeHead

from utp.cluster.cluster_reporter import ClusterReporter
from utp.cluster.head_line import HeadLine
from utp.config.paths import RunPaths
from utp.core.journal import AttemptJournal


def test_each_batch_of_an_evaluation_is_progress(tmp_path: Path) -> None:
    head, signs = FakeHead(), []
    paths = RunPaths(tmp_path / "run", tmp_path / "checkpoints")
    paths.run_dir.mkdir()
    with AttemptJournal(paths, 1) as journal:
        line = HeadLine(lambda: head, ("id", 1, "name"), tmp_path / "stop", journal.append_log)
        reporter = ClusterReporter(journal, line, lambda: False, lambda row: None, lambda: signs.append(1))
        told = []
        line.tell_progress = lambda *progress: told.append(progress)  # type: ignore[method-assign]
        reporter.log_step(7, 1)
        assert not reporter.should_stop()  # the step has said it
        reporter.log_phase("evaluating val")
        assert not reporter.should_stop()
        assert not reporter.should_stop()
        reporter.log_phase("")
    assert told == [
        (7, 1, ""),
        (7, 1, "evaluating val"),
        (7, 1, "evaluating val, batch 1"),
        (7, 1, "evaluating val, batch 2"),
        (7, 1, ""),
    ]
    assert len(signs) == 5
