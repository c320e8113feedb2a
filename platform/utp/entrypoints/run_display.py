"""What `utp train` shows: a live line on a terminal, plain lines elsewhere, and a summary at the end."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from utp.config.paths import RunPaths
from utp.core.checkpoint import Checkpoint
from utp.core.reporter import MetricRow, RunPlan

PLAIN_INTERVAL_S = 15.0
"""Without a terminal, a line of training metrics at most this often."""

REFRESH_PER_S = 4
"""Redraws of the live line; each costs some milliseconds of the core that trains."""


class ConsoleDisplay:
    """Shows one run. On a terminal the last line lives; elsewhere every line is final, as logs want it.

    Args:
        console: where to show progress.
        answer: where to show the summary at the end.
    """

    def __init__(self, console: Console, answer: Console) -> None:
        self._console = console
        self._answer = answer
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}"),
            console=console,
            transient=True,
            refresh_per_second=REFRESH_PER_S,
            disable=not console.is_terminal,
        )
        self._bar: TaskID | None = None
        self._epochs = 0
        self._facts = ""
        self._last_plain_row_s = self._last_step_s = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show_scan(self, num_done: int, num_total: int) -> None:
        """Show how far the scan of the dataset is."""
        self._update("scanning images", num_done, num_total)

    def show_run(self, paths: RunPaths, attempt: int) -> None:
        """Show where the run lies."""
        again = f" (attempt {attempt})" if attempt > 1 else ""
        self._print(f"[bold]{escape(paths.name)}[/]{again} in {escape(short_path(paths.run_dir))}")

    def show_plan(self, plan: RunPlan) -> None:
        """Show size, device and length of the run."""
        self._epochs = plan.epochs
        compute = plan.compute
        self._print(
            f"{plan.num_parameters:,} parameters, {plan.num_trainable_parameters:,} of them trained; "
            f"{plan.epochs} epochs of {plan.steps_per_epoch} steps; "
            f"{compute['device']}, {compute['autocast_dtype']}, {compute['num_threads']} threads"
        )
        if plan.start_step:
            self._print(f"resumed at step {plan.start_step} of {plan.total_steps}")
        self._update(self._describe_epoch(plan.start_epoch + 1), plan.start_step, plan.total_steps)

    def show_step(self, step: int, epoch: int) -> None:
        """Move the bar, as often as it is redrawn."""
        now = time.monotonic()
        if self._bar is None or now - self._last_step_s < 1 / REFRESH_PER_S:
            return
        self._last_step_s = now
        self._progress.update(self._bar, completed=step, description=self._describe_epoch(epoch))

    def show_row(self, row: MetricRow) -> None:
        """Print an epoch's or the test's row; training rows go to the live line, or now and then to a plain one."""
        facts = describe_row(row)
        if row["kind"] != "train":
            self._print(facts)
            return
        self._facts = facts
        if self._bar is not None:
            self._progress.update(self._bar, facts=facts)
        is_due = time.monotonic() - self._last_plain_row_s >= PLAIN_INTERVAL_S
        if not self._console.is_terminal and is_due:
            self._last_plain_row_s = time.monotonic()
            self._print(f"epoch {row['epoch']}/{self._epochs} step {row['step']}  {facts}")

    def show_phase(self, phase: str) -> None:
        """Say on the live line what goes on besides training."""
        if self._bar is not None:
            self._progress.update(self._bar, facts=phase or self._facts)

    def show_note(self, sentence: str) -> None:
        """Print a sentence."""
        self._print(f"[yellow]note:[/] {escape(sentence)}")

    def show_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Checkpoints are not worth a line each; the summary names the last one."""

    def show_result(self, paths: RunPaths, result: Mapping[str, Any]) -> None:
        """Take the live line away and print the summary."""
        self._progress.stop()
        summarise(self._answer, paths, result)

    def show_stopping(self) -> None:
        """Say what the first Ctrl-C does. Runs in a signal handler, so it takes no lock of the live display."""
        with suppress(RuntimeError):  # it interrupted a write that a pager or a held terminal lets wait
            self._console.file.write(
                "\nStopping: saving a checkpoint first. Press Ctrl-C again to stop at once, unsaved.\n"
            )

    def _describe_epoch(self, epoch: int) -> str:
        return f"epoch {min(epoch, self._epochs)}/{self._epochs}"

    def _update(self, description: str, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = self._progress.add_task(description, total=total, facts="")
        self._progress.update(self._bar, description=description, completed=done, total=total)

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def describe_row(row: MetricRow) -> str:
    """Return one line for a row of metrics: of the usual ones those that the task reports."""
    match row["kind"]:
        case "train":
            facts = [*_facts(row, loss="train_loss", acc="train_acc@1"), f"lr {row['lr']:.2e}"]
            speed = f"{row['images_per_s']:.0f} img/s  data wait {row['data_wait_share']:.0%}"
            return "  ".join([*facts, speed])
        case "epoch":
            train = _facts(row, **{"train loss": "train_loss", "acc": "train_acc@1"})
            val = _facts(row, **{"val loss": "val_loss", "acc@1": "val_acc@1", "f1": "val_f1_macro"})
            return "  ".join(filter(None, [f"epoch {row['epoch']:>3}", " ".join(train), " ".join(val)]))
        case _:
            test = _facts(row, **{"loss": "test_loss", "acc@1": "test_acc@1", "f1": "test_f1_macro"})
            return "  ".join(filter(None, [f"test of epoch {row['epoch']}", " ".join(test)]))


def _facts(row: MetricRow, **metrics: str) -> list[str]:
    return [f"{title} {_number(row[metric])}" for title, metric in metrics.items() if metric in row]


def summarise(console: Console, paths: RunPaths, result: Mapping[str, Any]) -> None:
    """Print how a run ended: its numbers, where its files are, and what to type next."""
    lines = [("outcome", _describe_outcome(result))]
    if result.get("outcome") == "failed":
        lines.append(("log", short_path(paths.attempt(result["attempt"]).log(rank=0))))
    shown = ("acc@1", "f1_macro", (result.get("best") or {}).get("metric", "acc@1"))
    lines += [(name, _number(value)) for name, value in result.get("metrics", {}).items() if name.endswith(shown)]
    lines.append(("run", short_path(paths.run_dir)))
    kept = (("figures", paths.figures), ("best weights", paths.best_weights), ("model folder", paths.hf))
    lines += [(name, short_path(path)) for name, path in kept if path.exists()]
    lines.append(("TensorBoard", _command("tensorboard", "--logdir", paths.tensorboard)))
    if result.get("outcome") != "succeeded":
        lines.append(("go on with", _command("utp", "resume", paths.run_dir)))
    for name, value in lines:
        console.print(f"[bold]{name:<13}[/] {escape(value)}", highlight=False, soft_wrap=True)


def short_path(path: Path) -> str:
    """Return a path as people type it: relative where it lies beneath the working directory."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _command(program: str, *arguments: str | Path) -> str:
    """Return a command line to copy; a program of an environment that is not activated is named by its path."""
    own = Path(sys.executable).with_name(program)
    is_on_path = shutil.which(program) == str(own)
    words = [program if is_on_path else short_path(own), *(short_path(Path(word)) for word in arguments)]
    return shlex.join(words)


def _describe_outcome(result: Mapping[str, Any]) -> str:
    if best := result.get("best"):
        return f"{result['outcome']}, best at epoch {best['epoch']}"
    return str(result.get("outcome", "interrupted: how it ended could not be written"))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
