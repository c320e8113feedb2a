"""One attempt of a run, from the built task to `result.json`: the same on a laptop and in a cluster's worker."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from utp.config.loading import dump_config
from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.catalog import check_config, load_plugins
from utp.core.checkpoint import CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.data.corrupt import CorruptFileLog
from utp.core.device import resolve_compute
from utp.core.distributed import world_size
from utp.core.durable import write_json_durably
from utp.core.environment import describe_environment
from utp.core.failures import classify_failure
from utp.core.journal import AttemptJournal, assemble_run
from utp.core.loop import FitResult, fit
from utp.core.reporter import Reporter
from utp.core.task import Task
from utp.core.tasks.entries import TASKS
from utp.errors import UtpError
from utp.settings import Settings

OnScan = Callable[[int, int], None]


class JournalReporter(Reporter, Protocol):
    """A reporter that writes the journal of the attempt."""

    def close(self, config: dict[str, Any], final_metrics: dict[str, float]) -> None:
        """End its files, with the config and the final metrics as hyper-parameters."""
        ...


class EarlyNotes(logging.Handler):
    """Shows what utp's modules log, such as a repaired model, and keeps it for the log of the attempt that follows."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._show = show
        self.sentences: list[str] = []

    def add(self, sentence: str) -> None:
        """Show and keep a sentence."""
        self._show(sentence)
        self.sentences.append(sentence)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a log record."""
        self.add(record.getMessage())


def build_task(config: TrainConfig, settings: Settings, on_scan: OnScan, notes: EarlyNotes) -> Task:
    """Check the config whole and build its task; writes nothing."""
    load_plugins(config)
    check_config(config)
    resolve_compute(config)  # refuses a device that is not there
    logger = logging.getLogger("utp")
    logger.setLevel(logging.INFO)
    logger.addHandler(notes)
    try:
        task: Task = TASKS.get(config.task).load()(config, settings, on_scan)
    finally:
        logger.removeHandler(notes)
    return task


def train_attempt(
    config: TrainConfig,
    task: Task,
    journal: AttemptJournal,
    reporter: JournalReporter,
    *,
    check_lease: Callable[[], None] = lambda: None,
    name_stop: Callable[[], str] = lambda: "stopped",
) -> Mapping[str, Any]:
    """Train as the worker that writes; return what `result.json` says. A failure is recorded and raised again.

    Of one of several workers it is only raised: who started them knows whose came first.

    Args:
        config: of this attempt.
        task: what is trained.
        journal: opened, of this attempt.
        reporter: takes the news.
        check_lease: raises where a checkpoint may not be committed, besides the journal's own fence.
        name_stop: outcome of an attempt that was asked to save and leave.
    """
    paths = journal.paths
    environment = {**describe_environment(Path.cwd()), "data": task.identity, "seed": config.seed}
    write_json_durably(paths.environment, environment)
    corrupt_files = CorruptFileLog(paths.attempt(journal.number).corrupt_files, reporter.log_note)
    task.watch_corrupt_files(corrupt_files.add)

    def check_fence() -> None:
        check_lease()
        journal.check_fence()

    store = CheckpointStore(paths.checkpoint_dir, journal.number, check_fence)
    checkpointer = Checkpointer(config, task.identity, paths, store, reporter.log_note)
    result: dict[str, Any] = {}
    try:
        result = describe_result(fit(config, task, reporter, checkpointer))
        if result["outcome"] == "stopped":
            result["outcome"] = name_stop()
    except BaseException as error:
        result = describe_failure(error)
        journal.append_log("".join(traceback.format_exception(error)))
        if not isinstance(error, KeyboardInterrupt):
            raise
    finally:
        try:
            corrupt_files.write()
            reporter.close(dump_config(config), result.get("metrics", {}))
        finally:  # whatever a full disk refused before, the last word is tried
            if world_size() == 1 or result["outcome"] != "failed":
                result = journal.write_result(result)
            assemble_run(paths)
    return result


def follow_attempt(config: TrainConfig, task: Task, paths: RunPaths, attempt: int, reporter: Reporter) -> FitResult:
    """Train as one of the workers beside rank 0, which writes for all."""
    store = CheckpointStore(paths.checkpoint_dir, attempt)
    return fit(config, task, reporter, Checkpointer(config, task.identity, paths, store, reporter.log_note))


def describe_result(result: FitResult) -> dict[str, Any]:
    """Return what `result.json` says of an attempt that did not raise."""
    best = result.best
    metrics = {**({best.metric: best.value} if best else {}), **result.test_values}
    return {
        "outcome": result.outcome,
        "step": result.step,
        "epoch": result.epoch,
        "best": asdict(best) if best else None,
        "metrics": metrics,
        "stopped_early": result.stopped_early,
    }


def describe_failure(error: BaseException) -> dict[str, Any]:
    """Return what `result.json` says of an attempt that an exception ended."""
    if isinstance(error, KeyboardInterrupt):
        return {"outcome": "stopped", "kind": "stopped", "message": "stopped at once by a second signal, unsaved"}
    message = str(error) if isinstance(error, UtpError) else f"{type(error).__name__}: {error}"
    text = message.encode(errors="backslashreplace").decode()  # a file's name in it need not be UTF-8
    return {"outcome": "failed", "kind": str(classify_failure(error)), "message": text}
