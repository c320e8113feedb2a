"""The training loop. `fit` reads top to bottom: build, resume, train, evaluate, save, test.

It knows no model, no metric and no cluster: the task brings the first two, the reporter takes the news to wherever
the run was started from, the checkpointer keeps what a resume needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from utp.config.train import TrainConfig
from utp.core.checkpointer import Checkpointer, Saved
from utp.core.data_parallel import share_buffers
from utp.core.device import resolve_compute
from utp.core.distributed import StopVote, is_first_rank, world_size
from utp.core.ema import Ema
from utp.core.memory_format import lay_out
from utp.core.optimizer_step import OptimizerStep
from utp.core.optimizers.build import build_optimizer
from utp.core.reporter import Reporter, RunPlan
from utp.core.save_schedule import SaveSchedule
from utp.core.schedules.schedule import Schedule, build_schedule
from utp.core.state import Best, Meters, TrainState
from utp.core.task import Evaluation, StopRequested, Task
from utp.core.timed_batches import TimedBatches


@dataclass(frozen=True)
class FitResult:
    """How an attempt ended, when it did not raise."""

    outcome: Literal["succeeded", "stopped"]
    step: int
    epoch: int
    best: Best | None
    test_values: Mapping[str, float | None]
    stopped_early: bool = False
    """Whether epochs were left out since the monitored metric did not improve any more."""


def fit(
    config: TrainConfig,
    task: Task,
    reporter: Reporter,
    checkpointer: Checkpointer,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> FitResult:
    """Train until all epochs are done or the reporter asks to stop; go on from the newest checkpoint if there is one.

    `clock` gives the seconds that `checkpoint_every_minutes` counts.

    Raises:
        LossNotFinite: loss or gradient became NaN or infinite (too often, with `nan_policy` skip); names the step.
        CheckpointUnreadable: there are checkpoints, but none that verifies.
        StorageFailed: checkpoints can't be written any more.
    """
    with checkpointer:
        return _fit(_Run(config, task, reporter, checkpointer, SaveSchedule(config, clock)))


def _fit(run: _Run) -> FitResult:
    try:
        while run.state.progress.epoch < run.config.epochs and not run.is_stalled:
            run.train_epoch()
            run.evaluate_and_save()
        run.finish_save()
    except StopRequested:
        run.save()
        run.finish_save()
        return run.result("stopped", {})
    if run.stops_early:
        run.reporter.log_note(run.describe_early_stop())
    try:
        test_values = run.test_and_export_best()
    except StopRequested:  # all is saved, and the model holds the best weights now, not the last
        return run.result("stopped", {})
    return run.result("succeeded", test_values)


class _Run:
    """What `fit` works on: built once, from scratch or from the newest checkpoint."""

    def __init__(
        self, config: TrainConfig, task: Task, reporter: Reporter, checkpointer: Checkpointer, saves: SaveSchedule
    ) -> None:
        self.config, self.task, self.reporter, self.checkpointer = config, task, reporter, checkpointer
        self.saves = saves

        # Resume point: an earlier attempt's thread count and number format are kept, so its roundings are.
        checkpoint = checkpointer.newest()
        saved_compute = checkpoint.read_state()["compute"] if checkpoint else None
        self.compute, notes = resolve_compute(config, saved_compute)
        self.compute.apply()
        self.should_stop = StopVote(reporter.should_stop, self.compute.device)
        patience = config.early_stop_patience
        if patience is not None and patience >= config.epochs - 1:
            notes = (*notes, f"early_stop_patience {patience} can't end a run of {config.epochs} epochs early")
        if checkpoint and (saved_workers := checkpoint.read_state().get("num_workers", 1)) != world_size():
            change = f"the run had {saved_workers} workers and goes on with {world_size()}"
            notes = (*notes, f"{change}: the same batches over all of them, other roundings")
        for note in notes:
            reporter.log_note(note)

        # Model, optimizer, schedule.
        model, self.compute = lay_out(config, self.compute, task.build_model(), saved_compute)
        if config.channels_last not in (None, self.compute.channels_last):
            reporter.log_note(f"channels_last: this attempt keeps {self.compute.channels_last}, as the run began")
        optimizer = build_optimizer(config, model)
        self.groups = _group_batches(task.batch_sizes, config.grad_accum_steps)
        self.schedule: Schedule = build_schedule(config, total_steps=len(self.groups) * config.epochs)
        ema = Ema(model, config.ema_decay) if config.ema_decay is not None else None
        self.state = TrainState(model, optimizer, Meters(task.sum_names, self.compute.device), ema=ema)
        if checkpoint is not None:
            checkpointer.restore(self.state, checkpoint)
        checkpointer.note_shortage(self.state)
        self.step = OptimizerStep(
            config, task, self.state, schedule=self.schedule, compute=self.compute, log_note=reporter.log_note
        )
        self._saved_position = self._position() if checkpoint else None
        self._previous_best = self.state.progress.best
        reporter.log_plan(self._plan())

    @property
    def is_stalled(self) -> bool:
        """Whether the monitored metric has not improved for as long as the config allows."""
        patience = self.config.early_stop_patience
        return patience is not None and self.state.progress.stalled_epochs >= patience

    @property
    def stops_early(self) -> bool:
        """Whether epochs are left that won't be trained."""
        return self.is_stalled and self.state.progress.epoch < self.config.epochs

    def train_epoch(self) -> None:
        """Train on what is left of the current epoch."""
        progress = self.state.progress
        if progress.batch == 0:
            self.state.meters.start_epoch()
        self.task.set_training_mode(self.state.model)
        batches = TimedBatches(self.task.train_batches(progress.epoch, progress.batch, self.compute))
        first_group = sum(1 for group in self.groups if group.stop <= progress.batch)
        for group in self.groups[first_group:]:
            if self.should_stop():
                raise StopRequested
            self.step.take(batches, group)
            progress.batch = group.stop
            is_last = group is self.groups[-1]
            if progress.step % self.config.log_interval_steps == 0 or is_last:
                self._log_interval(batches)
            self.reporter.log_step(progress.step, progress.epoch + 1)
            self.finish_save(wait=False)
            if not is_last and self.saves.is_due(progress.step):  # an epoch's end has a checkpoint of its own
                self.save()

    def evaluate_and_save(self) -> None:
        """End an epoch: evaluate on val, remember the best, commit."""
        self.step.check_finite()
        state, started = self.state, time.monotonic()
        evaluation = self._evaluate("val", state.evaluated_model)
        self.finish_save()  # if it failed, what was best is no more
        progress = state.progress
        train_means = {f"train_{name}": value for name, value in state.meters.epoch_means().items()}
        progress.epoch, progress.batch = progress.epoch + 1, 0
        row = {"kind": "epoch", **train_means, **evaluation.values, "eval_s": round(time.monotonic() - started, 3)}
        self._log_row(row, epoch=progress.epoch)
        value = evaluation.values.get(self.config.monitor_metric)
        progress.note_metric(value, self.config.monitor_mode, self.config.early_stop_min_delta)
        if is_new_best := self._beats_best(evaluation):
            self._previous_best, progress.best = progress.best, self._new_best(evaluation)
            self.reporter.log_evaluation("val", progress.epoch, progress.step, evaluation)
        # After each epoch, not the last alone: a run that is stopped or dies has them too.
        names = ("val_best", "val_last") if is_new_best else ("val_last",)
        self.reporter.log_predictions(names, progress.epoch, progress.step, evaluation)
        self.save()

    def test_and_export_best(self) -> Mapping[str, float | None]:
        """Evaluate the best weights once on test, and write them as a folder for others; leaves them in the model."""
        best = self.state.progress.best
        holder = self.checkpointer.best(best)
        if best is None or holder is None:
            self.reporter.log_note("no best checkpoint is there, so the last weights are tested and exported")
            epoch, step = self.state.progress.epoch, self.state.progress.step
            model = self.state.evaluated_model
        else:
            model = self.state.model
            self.checkpointer.load_weights(model, holder)
            epoch, step = best.epoch, best.step
        test_values: Mapping[str, float | None] = {}
        if self.task.has_test:
            started = time.monotonic()
            evaluation = self._evaluate("test", model)
            test_values = evaluation.values
            row = {"kind": "test", **test_values, **evaluation.facts, "eval_s": round(time.monotonic() - started, 3)}
            self._log_row(row, epoch, step)
            self.reporter.log_evaluation("test", epoch, step, evaluation)
            self.reporter.log_predictions(("test",), epoch, step, evaluation)
            self.reporter.sync()
        if not is_first_rank():
            return test_values
        self.reporter.log_phase("exporting")
        facts = {"epoch": epoch, **({best.metric: best.value} if best else {}), **test_values}
        self.task.export(model, self.checkpointer.paths.hf, facts)
        self.reporter.log_phase("")
        return test_values

    def save(self) -> None:
        """Begin to commit the state, unless the newest checkpoint holds it already; waits for the save before it."""
        self.step.check_finite()
        self.finish_save()
        if self._position() == self._saved_position:
            return
        self.saves.note_save()
        try:
            self.reporter.sync()
        except OSError as error:
            self._forget(self.checkpointer.refuse(self.checkpointer.name_for(self.state), error))
            return
        self.reporter.log_phase("saving")
        self.checkpointer.save(self.state, {"compute": self.compute.to_json(), "num_workers": world_size()})
        self.reporter.log_phase("")
        self._saved_position = self._position()

    def finish_save(self, *, wait: bool = True) -> None:
        """Report how the save under way ended; if it failed, what it held is neither saved nor best."""
        saved = self.checkpointer.finish(wait=wait)
        if saved is None:
            return
        if saved.checkpoint is not None:
            self.reporter.log_checkpoint(saved.checkpoint)
        else:
            self._forget(saved)

    def _forget(self, saved: Saved) -> None:
        self._saved_position = None
        progress = self.state.progress
        if progress.best is not None and progress.best.checkpoint == saved.name:
            progress.best = self._previous_best

    def result(self, outcome: Literal["succeeded", "stopped"], test: Mapping[str, float | None]) -> FitResult:
        """Return how this attempt ended."""
        progress = self.state.progress
        return FitResult(outcome, progress.step, progress.epoch, progress.best, test, self.stops_early)

    def describe_early_stop(self) -> str:
        """Return the sentence that says why epochs are left out."""
        config, progress = self.config, self.state.progress
        return (
            f"stopped early after epoch {progress.epoch} of {config.epochs}: {config.monitor_metric} has not improved "
            f"by more than {config.early_stop_min_delta:g} in the last {progress.stalled_epochs} epochs "
            f"(early_stop_patience {config.early_stop_patience})"
        )

    def _position(self) -> tuple[int, int, int]:
        return self.state.progress.step, self.state.progress.epoch, self.state.progress.batch

    def _evaluate(self, split: str, model: nn.Module) -> Evaluation:
        self.reporter.log_phase(f"evaluating {split}")
        model.eval()
        share_buffers(model)
        with torch.no_grad():  # not inference_mode: what a model caches in it can't be trained with later
            evaluation = self.task.evaluate(model, split, self.compute, self.should_stop)
        self.reporter.log_phase("")
        return evaluation

    def _beats_best(self, evaluation: Evaluation) -> bool:
        value = evaluation.values.get(self.config.monitor_metric)
        best = self.state.progress.best
        return value is not None and (best is None or best.is_beaten_by(value))

    def _new_best(self, evaluation: Evaluation) -> Best:
        value = evaluation.values[self.config.monitor_metric]
        assert value is not None
        progress, config = self.state.progress, self.config
        name = self.checkpointer.name_for(self.state)
        return Best(config.monitor_metric, config.monitor_mode, value, progress.epoch, progress.step, name)

    def _log_interval(self, batches: TimedBatches) -> None:
        self.step.check_finite()
        means = {f"train_{name}": value for name, value in self.state.meters.take_interval_means().items()}
        rate = max(group["lr"] for group in self.state.optimizer.param_groups)  # layer_decay scales some of them down
        self._log_row({"kind": "train", **means, "lr": rate, **batches.take_timings()}, self.state.progress.epoch + 1)

    def _log_row(self, row: Mapping[str, Any], epoch: int, step: int | None = None) -> None:
        position = {"step": self.state.progress.step if step is None else step, "epoch": epoch}
        self.reporter.log_row({"kind": row["kind"], **position, **row})

    def _plan(self) -> RunPlan:
        parameters = list(self.state.model.parameters())
        return RunPlan(
            total_steps=self.schedule.total_steps,
            steps_per_epoch=len(self.groups),
            epochs=self.config.epochs,
            start_step=self.state.progress.step,
            start_epoch=self.state.progress.epoch,
            num_trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
            num_parameters=sum(p.numel() for p in parameters),
            compute=self.compute.to_json(),
        )


def _group_batches(batch_sizes: tuple[int, ...], grad_accum_steps: int) -> list[range]:
    """Return the micro-batch indices of each optimizer step of an epoch; the last group may be short."""
    starts = range(0, len(batch_sizes), grad_accum_steps)
    return [range(start, min(start + grad_accum_steps, len(batch_sizes))) for start in starts]
