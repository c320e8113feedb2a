"""Runs one config on this machine, from checks to result: `utp train` and `utp resume` without a cluster."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from utp.config.loading import compare_configs, dump_config, read_config
from utp.config.naming import reserve_run
from utp.config.paths import RunPaths
from utp.config.resume import ConfigChange
from utp.config.train import TrainConfig
from utp.core.catalog import check_config, load_plugins
from utp.core.checkpoint import CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.data.corrupt import CorruptFileLog
from utp.core.device import resolve_compute
from utp.core.durable import write_json_durably
from utp.core.environment import describe_environment
from utp.core.failures import classify_failure
from utp.core.journal import AttemptJournal, assemble_run, read_json
from utp.core.local_reporter import Display, LocalReporter
from utp.core.loop import FitResult, fit
from utp.core.task import Task
from utp.core.tasks.entries import TASKS
from utp.entrypoints.stop_signal import StopSignal
from utp.errors import ResumeRefused, UtpError
from utp.settings import Settings


class RunDisplay(Display, Protocol):
    """A display that also shows what happens before the first step."""

    def show_scan(self, num_done: int, num_total: int) -> None:
        """Show how many image files were read while the dataset is scanned."""
        ...

    def show_run(self, paths: RunPaths, attempt: int) -> None:
        """Show where the run lies."""
        ...

    def show_result(self, paths: RunPaths, result: Mapping[str, Any]) -> None:
        """Show how the attempt ended and what to do next; called whatever happened."""
        ...

    def show_stopping(self) -> None:
        """Show that the run saves and stops; called in a signal handler."""
        ...


@dataclass(frozen=True)
class RunOutcome:
    """Where a run lies, and how its attempt ended: the content of `result.json`."""

    paths: RunPaths
    result: Mapping[str, Any]

    @property
    def is_stopped(self) -> bool:
        """Whether someone stopped it."""
        return bool(self.result["outcome"] == "stopped")


def start_run(config: TrainConfig, settings: Settings, display: RunDisplay) -> RunOutcome:
    """Check everything, reserve a name, train. What is refused before the first step leaves nothing behind."""
    notes = EarlyNotes(display)
    task = _build_task(config, settings, display, notes)
    try:
        paths = reserve_run(config, settings)
        write_json_durably(paths.config, dump_config(config))
        return _run_attempt(config, task, paths, display, notes)
    finally:
        task.close()


def resume_run(
    paths: RunPaths, change: Callable[[TrainConfig], TrainConfig], settings: Settings, display: RunDisplay
) -> RunOutcome:
    """Go on with a run as a new attempt, from its newest checkpoint.

    Args:
        paths: of the run.
        change: gives the config of this attempt from the saved one; only what `compare_configs` calls safe may differ.
        settings: mounts and caches.
        display: what the person sees.

    Raises:
        ResumeRefused: it has succeeded, is alive, or is asked to be another run.
    """
    if read_json(paths.result).get("outcome") == "succeeded":
        raise ResumeRefused(paths.name, "it has succeeded; for more epochs start a new run")
    saved = read_config(paths.config)
    config = change(saved)
    changes = compare_configs(saved, config)
    if changes.unsafe:
        raise ResumeRefused(paths.name, f"{changes.describe_unsafe()}; start a new run for that")
    notes = EarlyNotes(display)
    task = _build_task(config, settings, display, notes)
    try:
        assemble_run(paths)
        for sentence in changes.describe_safe():
            notes.add(sentence)
        write_json_durably(paths.config, dump_config(config))
        return _run_attempt(config, task, paths, display, notes, config_changes=_describe_changes(changes))
    finally:
        task.close()


class EarlyNotes(logging.Handler):
    """Shows what utp's modules log, such as a repaired model, and keeps it for the log of the attempt that follows."""

    def __init__(self, display: RunDisplay) -> None:
        super().__init__(logging.INFO)
        self._display = display
        self.sentences: list[str] = []

    def add(self, sentence: str) -> None:
        """Show and keep a sentence."""
        self._display.show_note(sentence)
        self.sentences.append(sentence)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a log record."""
        self.add(record.getMessage())


def _build_task(config: TrainConfig, settings: Settings, display: RunDisplay, notes: EarlyNotes) -> Task:
    load_plugins(config)
    check_config(config)
    resolve_compute(config)  # refuses a device that is not there
    logger = logging.getLogger("utp")
    logger.setLevel(logging.INFO)
    logger.addHandler(notes)
    try:
        task: Task = TASKS.get(config.task).load()(config, settings, display.show_scan)
    finally:
        logger.removeHandler(notes)
    return task


def _describe_changes(changes: ConfigChange) -> dict[str, Any]:
    was, now = dump_config(changes.saved), dump_config(changes.new)
    return {name: {"was": was[name], "is": now[name]} for name in changes.safe}


def _run_attempt(
    config: TrainConfig,
    task: Task,
    paths: RunPaths,
    display: RunDisplay,
    notes: EarlyNotes,
    *,
    config_changes: Mapping[str, Any] | None = None,
) -> RunOutcome:
    with AttemptJournal(paths, config_changes) as journal, StopSignal(display.show_stopping) as stop:
        display.show_run(paths, journal.number)
        for sentence in notes.sentences:
            journal.append_log(sentence)
        environment = {**describe_environment(Path.cwd()), "data": task.identity, "seed": config.seed}
        write_json_durably(paths.environment, environment)
        reporter = LocalReporter(journal, display, stop.is_set)
        corrupt_files = CorruptFileLog(paths.attempt(journal.number).corrupt_files, reporter.log_note)
        task.watch_corrupt_files(corrupt_files.add)
        store = CheckpointStore(paths.checkpoint_dir, journal.number, journal.check_fence)
        checkpointer = Checkpointer(config, task.identity, paths, store, reporter.log_note)
        result: dict[str, Any] = {}
        try:
            result = _describe_result(fit(config, task, reporter, checkpointer))
        except BaseException as error:
            result = _describe_failure(error)
            journal.append_log("".join(traceback.format_exception(error)))
            if not isinstance(error, KeyboardInterrupt):
                raise
        finally:
            corrupt_files.write()
            reporter.close(dump_config(config), result.get("metrics", {}))
            result = journal.write_result(result)
            assemble_run(paths)
            display.show_result(paths, result)
    return RunOutcome(paths, result)


def _describe_result(result: FitResult) -> dict[str, Any]:
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


def _describe_failure(error: BaseException) -> dict[str, Any]:
    if isinstance(error, KeyboardInterrupt):
        return {"outcome": "stopped", "kind": "stopped", "message": "stopped at once by a second signal, unsaved"}
    message = str(error) if isinstance(error, UtpError) else f"{type(error).__name__}: {error}"
    return {"outcome": "failed", "kind": str(classify_failure(error)), "message": message}
