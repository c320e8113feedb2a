"""A run in the store that a test drives as a worker would: its states, the lines of its logs, its rows of metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.errors import FailureKind
from utp.settings import Settings
from utp.store.recorder import Recorder
from utp.store.states import Outcome

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)


@dataclass
class LiveRun:
    """One run; `attempt` is its newest."""

    recorder: Recorder
    id: str
    run_dir: Path
    attempt: int = 0

    @classmethod
    def queued(cls, recorder: Recorder, settings: Settings, **options: Any) -> LiveRun:
        run = recorder.queue_run(CONFIG, RunRequest(), settings=settings, **options)
        return cls(recorder, run.id, Path(run.run_dir))

    @classmethod
    def running(cls, recorder: Recorder, settings: Settings, **options: Any) -> LiveRun:
        run = cls.queued(recorder, settings, **options)
        run.begin_attempt()
        return run

    def begin_attempt(self, start_step: int = 0) -> None:
        submission = self.recorder.begin_submission(self.id)
        assert submission is not None
        self.attempt = submission.attempt
        self.recorder.mark_submitted(self.id, self.attempt, placement={})
        assert self.recorder.mark_running(
            self.id, self.attempt, host="here", pid=1, start_step=start_step, total_steps=100, epochs=5
        )

    def end_attempt(self, outcome: Outcome = Outcome.SUCCEEDED, failure: FailureKind | None = None) -> None:
        self.recorder.end_attempt(self.id, self.attempt, outcome=outcome, failure_kind=failure)

    def log(self, data: bytes, stream: str = "rank0.log", attempt: int | None = None) -> Path:
        """Append to a log as the worker does."""
        path = self.run_dir / "attempts" / str(attempt or self.attempt) / stream
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data)
        return path

    def rows(self, *rows: dict[str, Any]) -> None:
        """Record rows of metrics, as `{"kind": "train", "step": 1, "train_loss": 0.5}`."""
        self.recorder.record_rows(self.id, self.attempt, rows)
