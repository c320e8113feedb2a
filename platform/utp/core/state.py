"""`TrainState`: everything that is needed to resume, in one object that is saved and loaded whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer

from utp.core.ema import Ema

MODEL_FILE = "model.safetensors"
OPTIMIZER_FILE = "optimizer.safetensors"
EMA_FILE = "ema.safetensors"


@dataclass(frozen=True)
class Best:
    """The best evaluation so far, and the committed checkpoint that holds its weights."""

    metric: str
    mode: str
    value: float
    epoch: int
    step: int
    checkpoint: str

    def is_beaten_by(self, value: float) -> bool:
        """Whether `value` is strictly better."""
        return value > self.value if self.mode == "max" else value < self.value


@dataclass
class Progress:
    """Where the run stands. Position (epoch, batch) is that of the next micro-batch to train on."""

    step: int = 0
    """Optimizer steps done."""
    epoch: int = 0
    """Epochs done; the current one counts from 0."""
    batch: int = 0
    """Micro-batches done in the current epoch."""
    samples_seen: int = 0
    """Training images seen, over all epochs."""
    skipped_steps: int = 0
    """Of the optimizer steps, those that were not finite and changed nothing."""
    skipped_in_a_row: int = 0
    """Of the last steps, how many were skipped."""
    best: Best | None = None
    stalled_epochs: int = 0
    """Epochs since the monitored metric last improved on `stall_value` by the least change that counts."""
    stall_value: float | None = None

    def note_metric(self, value: float | None, mode: str, min_delta: float) -> None:
        """Count an epoch for early stopping; a value that is undefined is no improvement."""
        gain = None if value is None else self._gain(value, mode)
        if gain is not None and gain > min_delta:
            self.stalled_epochs, self.stall_value = 0, value
        else:
            self.stalled_epochs += 1

    def _gain(self, value: float, mode: str) -> float:
        if self.stall_value is None:
            return math.inf
        return value - self.stall_value if mode == "max" else self.stall_value - value

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Progress:
        """Return the progress that `to_json` gave."""
        best = data.get("best")
        return cls(**{**data, "best": Best(**best) if best else None})


@dataclass
class TrainState:
    """Model, its average, optimizer, progress and running sums of a run.

    The learning-rate schedule is a function of `progress.step`, and every random draw one of (seed, epoch, index or
    step), so neither has a state of its own.
    """

    model: nn.Module
    optimizer: Optimizer
    meters: Meters
    progress: Progress = field(default_factory=Progress)
    ema: Ema | None = None

    @property
    def evaluated_model(self) -> nn.Module:
        """The weights that are evaluated and kept as best: the average where there is one."""
        return self.ema.module if self.ema else self.model

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return this state's own tensors, by file and by name in it."""
        return {
            MODEL_FILE: self.model.state_dict(),
            **({EMA_FILE: self.ema.module.state_dict()} if self.ema else {}),
            OPTIMIZER_FILE: _optimizer_tensors(self.optimizer),
        }

    def to_json(self) -> dict[str, Any]:
        """Return what is not a tensor: progress, running sums, the optimizer's options per group."""
        groups = [{k: v for k, v in g.items() if k != "params"} for g in self.optimizer.state_dict()["param_groups"]]
        return {"progress": self.progress.to_json(), "meters": self.meters.to_json(), "param_groups": groups}

    def restore(self, directory: Path, data: Mapping[str, Any]) -> None:
        """Load what was saved of `tensors` and what `to_json` gave, in place."""
        self.model.load_state_dict(load_file(directory / MODEL_FILE), strict=True)
        if self.ema:
            self.ema.module.load_state_dict(load_file(directory / EMA_FILE), strict=True)
        self._restore_optimizer(load_file(directory / OPTIMIZER_FILE))
        self.meters.restore(data["meters"])
        self.progress = Progress.from_json(data["progress"])

    def _restore_optimizer(self, tensors: Mapping[str, Tensor]) -> None:
        # The groups' options (rates, decay) come from the config of this attempt; only the moments are carried over.
        saved = self.optimizer.state_dict()
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = _laid_out_like(parameters[int(index)], tensor)
        self.optimizer.load_state_dict({"state": state, "param_groups": saved["param_groups"]})


def _laid_out_like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """Return a moment in its parameter's memory format: fused optimizers walk both as if they were one."""
    if tensor.shape != parameter.shape:
        return tensor
    return torch.empty_like(parameter, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def _optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    state: Mapping[int, Mapping[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"{index}.{key}": value if isinstance(value, Tensor) else torch.tensor(value)
        for index, values in state.items()
        for key, value in values.items()
        if value is not None
    }


class Meters:
    """Running sums over the current epoch and over the current logging interval, on the device, in float64.

    Args:
        names: sums per sample, such as `loss` and `acc@1`.
        device: where the loop computes.
    """

    def __init__(self, names: tuple[str, ...], device: torch.device) -> None:
        self.names = names
        # Rows: epoch, interval. Columns: the sums, then the number of samples, then that of skipped steps.
        self._sums = torch.zeros(2, len(names) + 2, dtype=torch.float64, device=device)
        self._step = torch.zeros(len(names) + 2, dtype=torch.float64, device=device)
        self._skipped = torch.zeros_like(self._step)
        self._skipped[-1] = 1.0
        *self._step_totals, self._step_samples, _ = self._step.unbind()  # views, made once

    @property
    def step_sums(self) -> Tensor:
        """Sums of the present step; what several workers add up."""
        return self._step

    def add(self, sums: Mapping[str, Tensor], num_samples: int) -> None:
        """Add one micro-batch of the present step."""
        for total, name in zip(self._step_totals, self.names, strict=True):
            total.add_(sums[name].detach())
        self._step_samples += num_samples

    def end_step(self, is_bad: Tensor | None) -> None:
        """Take the step's micro-batches in; if `is_bad` is 1.0 they do not count, but the skipped step does.

        None is a step known to be sound.
        """
        self._sums += self._step if is_bad is None else torch.where(is_bad > 0, self._skipped, self._step)
        self._step.zero_()

    def epoch_means(self) -> dict[str, float | None]:
        """Return the means over the epoch so far; reads from the device."""
        return self._means(0)

    def take_interval_means(self) -> dict[str, float | None]:
        """Return the means since the last call and start a new interval; reads from the device."""
        means = self._means(1)
        self._sums[1].zero_()
        return means

    def start_epoch(self) -> None:
        """Forget the epoch's sums and the interval's, so that no interval spans two epochs."""
        self._sums.zero_()

    def _means(self, row: int) -> dict[str, float | None]:
        *totals, count, num_skipped = self._sums[row].tolist()
        means = {name: total / count if count else None for name, total in zip(self.names, totals, strict=True)}
        return {**means, "skipped_steps": num_skipped} if num_skipped else means

    def to_json(self) -> dict[str, Any]:
        """Return names and sums; Python prints a float64 so that it reads back equal."""
        return {"names": list(self.names), "sums": self._sums.tolist()}

    def restore(self, data: Mapping[str, Any]) -> None:
        """Load what `to_json` gave."""
        assert tuple(data["names"]) == self.names, "a resumed run has the task of its first attempt"
        self._sums.copy_(torch.tensor(data["sums"], dtype=torch.float64))
