"""Runs one config on this machine, from checks to result: `utp train` and `utp resume` without a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from utp.config.loading import compare_configs, dump_config, read_config
from utp.config.naming import reserve_run
from utp.config.paths import RunPaths
from utp.config.resume import ConfigChange
from utp.config.train import TrainConfig
from utp.core.attempt import EarlyNotes, build_task, train_attempt
from utp.core.durable import write_json_durably
from utp.core.journal import AttemptJournal, assemble_run, read_json
from utp.core.local_reporter import Display, LocalReporter
from utp.core.task import Task
from utp.entrypoints.stop_signal import StopSignal
from utp.errors import ResumeRefused
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
    notes = EarlyNotes(display.show_note)
    task = build_task(config, settings, display.show_scan, notes)
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
    notes = EarlyNotes(display.show_note)
    task = build_task(config, settings, display.show_scan, notes)
    try:
        for sentence in changes.describe_safe():
            notes.add(sentence)
        return _run_attempt(config, task, paths, display, notes, changes=changes)
    finally:
        task.close()


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
    changes: ConfigChange | None = None,
) -> RunOutcome:
    recorded = _describe_changes(changes) if changes else None
    new_config = dump_config(config) if changes else None
    with (
        AttemptJournal(paths, config_changes=recorded, new_config=new_config) as journal,
        StopSignal(display.show_stopping) as stop,
    ):
        if changes:
            assemble_run(paths)
        display.show_run(paths, journal.number)
        for sentence in notes.sentences:
            journal.append_log(sentence)
        try:
            result = train_attempt(config, task, journal, LocalReporter(journal, display, stop.is_set))
        finally:
            display.show_result(paths, read_json(paths.attempt(journal.number).result))
    return RunOutcome(paths, result)
