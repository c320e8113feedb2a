"""`LocalReporter`: the reporter of a run without a cluster. Journal, TensorBoard and a display, in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from utp.core.checkpoint import Checkpoint
from utp.core.durable import copy_durably, write_json_durably
from utp.core.journal import AttemptJournal
from utp.core.reporter import MetricRow, RunPlan
from utp.core.task import Evaluation

if TYPE_CHECKING:
    from utp.core.tensorboard import TensorBoardLog


class Display(Protocol):
    """What a person sees of a run while it goes on."""

    def show_plan(self, plan: RunPlan) -> None:
        """Show what is about to happen."""
        ...

    def show_step(self, step: int, epoch: int) -> None:
        """Show that an optimizer step is done; called very often."""
        ...

    def show_row(self, row: MetricRow) -> None:
        """Show a row of metrics."""
        ...

    def show_phase(self, phase: str) -> None:
        """Show what the run is busy with besides training; empty for training."""
        ...

    def show_note(self, sentence: str) -> None:
        """Show a sentence."""
        ...

    def show_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Show that a checkpoint was committed."""
        ...


class LocalReporter:
    """Writes rows to the journal (and at once to the run's own file), figures and TensorBoard, and tells the display.

    Args:
        journal: of the attempt that runs.
        display: what the person sees.
        should_stop: whether somebody pressed Ctrl-C.
    """

    def __init__(self, journal: AttemptJournal, display: Display, should_stop: Callable[[], bool]) -> None:
        self._journal = journal
        self._display = display
        self._should_stop = should_stop
        self._plan: RunPlan | None = None
        self._tensorboard: TensorBoardLog | None = None
        self._is_refused = False

    def log_plan(self, plan: RunPlan) -> None:
        """Open the attempt: from here on its rows count."""
        self._journal.write_start(plan.start_step)
        self._plan = plan
        self._display.show_plan(plan)

    def log_step(self, step: int, epoch: int) -> None:
        """Tell the display."""
        self._display.show_step(step, epoch)

    def log_row(self, row: MetricRow) -> None:
        """Append to the journal and to the run's file, add to TensorBoard, show."""
        stamped = self._journal.append_row(row)
        self._open_tensorboard.write_row(stamped)
        if row["kind"] != "train":
            self._open_tensorboard.flush()
        self._display.show_row(stamped)
        self._note_refusal()

    def log_evaluation(self, split: str, epoch: int, step: int, evaluation: Evaluation) -> None:
        """Draw the figures, keep the tables; the newest best replaces the one before. A full disk costs them alone."""
        try:
            self._write_report(split, epoch, step, evaluation)
        except OSError as error:
            self.log_note(f"the figures and tables of {split} after epoch {epoch} were not written: {error}")

    def _write_report(self, split: str, epoch: int, step: int, evaluation: Evaluation) -> None:
        attempt, run = self._journal.paths.attempt(self._journal.number).figures, self._journal.paths.figures
        for directory in (attempt, run):
            directory.mkdir(exist_ok=True)
        for name, draw in evaluation.figures.items():
            from utp.core.figures import save_png  # noqa: PLC0415  (here: matplotlib takes long to import)

            png = attempt / f"{name}_{split}.png"
            save_png(draw(), png)
            copy_durably(png, run / png.name)
            self._open_tensorboard.write_figure(f"{split}/{name}", png, step)
        for name, table in evaluation.tables.items():
            content = {"split": split, "epoch": epoch, "step": step, name: table}
            write_json_durably(attempt / f"{name}_{split}.json", content)
            write_json_durably(run / f"{name}_{split}.json", content)

    def log_predictions(self, names: Sequence[str], epoch: int, step: int, evaluation: Evaluation) -> None:
        """Write them as Parquet; a disk that refuses costs the file, not the run."""
        if evaluation.predictions is None:
            return
        from utp.core.prediction_table import write_predictions  # noqa: PLC0415  (here: Parquet takes long to import)

        attempt, run = self._journal.paths.attempt(self._journal.number).predictions, self._journal.paths.predictions
        try:
            table = evaluation.predictions()
            for name in names:
                write_predictions(attempt / f"{name}.parquet", table, epoch=epoch, step=step)
                copy_durably(attempt / f"{name}.parquet", run / f"{name}.parquet")
        except OSError as error:
            self.log_note(f"the predictions {', '.join(names)} of epoch {epoch} were not written: {error}")

    def log_phase(self, phase: str) -> None:
        """Tell the display; what TensorBoard was told before is seen while the phase lasts."""
        if phase and self._tensorboard is not None:
            self._tensorboard.flush()
        self._display.show_phase(phase)

    def log_note(self, sentence: str) -> None:
        """Write to the attempt's log and show."""
        self._journal.append_log(sentence)
        self._display.show_note(sentence)

    def log_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write to the attempt's log and show."""
        self._journal.append_log(f"checkpoint {checkpoint.name} committed")
        self._display.show_checkpoint(checkpoint)

    def sync(self) -> None:
        """Make the rows durable. Raises `OSError` where the disk refuses."""
        self._journal.sync()

    def should_stop(self) -> bool:
        """Whether somebody pressed Ctrl-C."""
        return self._should_stop()

    def close(self, config: dict[str, Any], final_metrics: dict[str, float]) -> None:
        """End TensorBoard's files, with the config and the final metrics as hyper-parameters."""
        if self._plan is not None:
            self._open_tensorboard.write_hparams(config, final_metrics)
            self._open_tensorboard.close()

    def _note_refusal(self) -> None:
        """Say once that rows wait in memory, and once that they are written again."""
        refusal = self._journal.refusal
        if (refusal is not None) == self._is_refused:
            return
        self._is_refused = refusal is not None
        directory = self._journal.directory
        if refusal is None:
            self.log_note(f"all metrics are written to {directory} again")
        else:
            self.log_note(f"metrics can't be written to {directory} ({refusal}); they wait in memory: free some space")

    @property
    def _open_tensorboard(self) -> TensorBoardLog:
        """Opened by the first row: the first step does not wait for TensorBoard's import."""
        if self._tensorboard is None:
            from utp.core.tensorboard import TensorBoardLog  # noqa: PLC0415

            assert self._plan is not None, "log_plan comes first"
            # Also where the attempt before died without a checkpoint: what it wrote is written anew, from step 1 on.
            purge_step = self._plan.start_step + 1 if self._journal.number > 1 else None
            self._tensorboard = TensorBoardLog(self._journal.paths.tensorboard, purge_step=purge_step)
        return self._tensorboard
