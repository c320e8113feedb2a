"""One optimizer step: the gradients of its micro-batches, the guard against NaN, the update."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor

from utp.config.train import TrainConfig
from utp.core.data_parallel import gradient_exchange, parallel_model, rank_loss
from utp.core.device import Compute
from utp.core.distributed import rank, sum_over_ranks, world_size
from utp.core.gradients import Gradients
from utp.core.guard import BufferRollback, FiniteGuard
from utp.core.optimizers.build import set_learning_rate
from utp.core.randomness import derive_seed, reseed
from utp.core.schedules.schedule import Schedule
from utp.core.state import TrainState
from utp.core.task import Task
from utp.core.timed_batches import TimedBatches
from utp.errors import ConfigError

MAX_SKIPPED_STEPS = 10
"""Steps in a row that may be skipped when the config leaves it open."""


class OptimizerStep:
    """Takes the steps of a run; nothing here waits for the device between two readings of the guard.

    Raises:
        ConfigError: `nan_policy` is skip, and the optimizer can't leave out a step on the device.
    """

    def __init__(
        self,
        config: TrainConfig,
        task: Task,
        state: TrainState,
        *,
        schedule: Schedule,
        compute: Compute,
        log_note: Callable[[str], None],
    ) -> None:
        self._config, self._task, self._state = config, task, state
        self._schedule, self._compute, self._log_note = schedule, compute, log_note
        self._model = parallel_model(state.model)
        self._skips = config.nan_policy == "skip"
        if self._skips and not getattr(state.optimizer, "_step_supports_amp_scaling", False):
            reason = "can't skip a step on the device; use one that can, such as adamw, or nan_policy 'stop'"
            raise ConfigError((f"optimizer: {config.optimizer!r} {reason}",))
        limit = (config.max_skipped_steps or MAX_SKIPPED_STEPS) if self._skips else None
        self._guard = FiniteGuard(
            compute.device, limit, state.progress.skipped_in_a_row, reads_each_step=compute.is_cpu
        )
        self._gradients = Gradients(state.optimizer)
        self._rollback = BufferRollback(state.model) if self._skips else None
        # A worker's dropout is its own, and rank 0's that of a lone worker.
        self._rank_index = (rank(),) if rank() else ()

    def take(self, batches: TimedBatches, group: Iterable[int]) -> None:
        """Take one optimizer step on a group of micro-batches."""
        state = self._state
        sizes = [self._task.batch_sizes[index] for index in group]
        if self._rollback:
            self._rollback.remember()
        total_loss = self._accumulate_gradients(batches, sizes)
        grad_norm = self._clip_gradients()
        found_inf = self._guard.observe(state.progress.step + 1, total_loss, grad_norm)
        if self._compute.is_cpu:
            self.check_finite()
        state.meters.end_step(found_inf)
        if self._rollback:
            self._rollback.undo_if(found_inf)
        set_learning_rate(state.optimizer, self._config.lr * self._schedule.factor(state.progress.step))
        state.optimizer.found_inf = found_inf  # type: ignore[attr-defined]  # a fused optimizer skips its update on 1.0
        state.optimizer.step()
        self._gradients.clear()
        if state.ema:
            state.ema.update(state.progress.step, found_inf if self._skips else None)
        state.progress.step += 1
        state.progress.samples_seen += sum(sizes)

    def check_finite(self) -> None:
        """Read the guard, and note the steps that were skipped since the last call.

        Raises:
            LossNotFinite: loss or gradient became NaN or infinite (too often, with `nan_policy` skip).
        """
        progress = self._state.progress
        skipped = self._guard.check(progress.epoch + 1)
        progress.skipped_in_a_row = self._guard.skipped_in_a_row
        if skipped:
            progress.skipped_steps += len(skipped)
            steps = f"step {skipped[0]} was" if len(skipped) == 1 else f"steps {', '.join(map(str, skipped))} were"
            total = f"{progress.skipped_steps} of {max(progress.step, skipped[-1])} steps so far"
            self._log_note(f"loss or gradient not finite: {steps} skipped; {total}")

    def _accumulate_gradients(self, batches: TimedBatches, sizes: list[int]) -> Tensor:
        """Return the mean loss over the group.

        Each micro-batch weighs by its share of the group's samples, so that a short last batch or group counts right.
        """
        state, num_samples = self._state, sum(sizes)
        total_loss: Tensor | None = None
        for micro_step, size in enumerate(sizes):
            batch = next(batches)
            # Dropout and drop-path draw from here: a function of the step, whatever the loader or a resume did before.
            reseed(derive_seed(self._config.seed, "model", state.progress.step, micro_step, *self._rank_index))
            with gradient_exchange(self._model, is_last=micro_step == len(sizes) - 1):
                with self._compute.autocast():
                    result = self._task.step(self._model, batch, self._compute)
                assert world_size() > 1 or result.num_samples == size, "batch_sizes announce what the batches hold"
                rank_loss(result.sums["loss"], num_samples).backward()  # type: ignore[no-untyped-call]
            share = result.sums["loss"].detach() / num_samples
            total_loss = share if total_loss is None else total_loss + share
            state.meters.add(result.sums, result.num_samples)
            batches.num_samples += size
        assert total_loss is not None, "a group has a micro-batch at least"
        sum_over_ranks(total_loss, state.meters.step_sums)
        return total_loss

    def _clip_gradients(self) -> Tensor | None:
        if self._config.max_grad_norm is not None:
            return self._gradients.clip(self._config.max_grad_norm)
        # Where the run goes on, a gradient that overflows must not pass; else the next loss tells of it.
        return self._gradients.total_norm() if self._skips else None
