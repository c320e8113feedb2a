"""`TrainState`: everything that is needed to resume, in one object that is saved and loaded whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

MODEL_FILE = "model.safetensors"
OPTIMIZER_FILE = "optimizer.safetensors"


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
    best: Best | None = None

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
    """Model, optimizer, progress and running sums of a run.

    The learning-rate schedule is a function of `progress.step`, and every random draw one of (seed, epoch, index or
    step), so neither has a state of its own.
    """

    model: nn.Module
    optimizer: Optimizer
    meters: Meters
    progress: Progress = field(default_factory=Progress)

    def file_writers(self) -> dict[str, Callable[[Path], None]]:
        """Return, by file name, functions that write this state's tensors to a path they are given."""
        return {
            MODEL_FILE: lambda path: save_file(detached(self.model.state_dict()), path),
            OPTIMIZER_FILE: lambda path: save_file(_optimizer_tensors(self.optimizer), path),
        }

    def to_json(self) -> dict[str, Any]:
        """Return what is not a tensor: progress, running sums, the optimizer's options per group."""
        groups = [{k: v for k, v in g.items() if k != "params"} for g in self.optimizer.state_dict()["param_groups"]]
        return {"progress": self.progress.to_json(), "meters": self.meters.to_json(), "param_groups": groups}

    def restore(self, directory: Path, data: Mapping[str, Any]) -> None:
        """Load what `file_writers` and `to_json` gave, in place."""
        self.model.load_state_dict(load_file(directory / MODEL_FILE), strict=True)
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


def detached(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return CPU copies that share no memory, as safetensors wants them."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def _optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    state: Mapping[int, Mapping[str, Any]] = optimizer.state_dict()["state"]
    tensors = {
        f"{index}.{key}": value if isinstance(value, Tensor) else torch.tensor(value)
        for index, values in state.items()
        for key, value in values.items()
        if value is not None
    }
    return detached(tensors)


class Meters:
    """Running sums over the current epoch and over the current logging interval, on the device, in float64.

    Args:
        names: sums per sample, such as `loss` and `acc@1`.
        device: where the loop computes.
    """

    def __init__(self, names: tuple[str, ...], device: torch.device) -> None:
        self.names = names
        self._sums = torch.zeros(2, len(names), dtype=torch.float64, device=device)  # rows: epoch, interval
        self._counts = [0, 0]

    def add(self, sums: Mapping[str, Tensor], num_samples: int) -> None:
        """Add one micro-batch."""
        self._sums += torch.stack([sums[name].detach().double() for name in self.names])
        self._counts = [count + num_samples for count in self._counts]

    def epoch_means(self) -> dict[str, float | None]:
        """Return the means over the epoch so far; reads from the device."""
        return self._means(0)

    def take_interval_means(self) -> dict[str, float | None]:
        """Return the means since the last call and start a new interval; reads from the device."""
        means = self._means(1)
        self._sums[1].zero_()
        self._counts[1] = 0
        return means

    def start_epoch(self) -> None:
        """Forget the epoch's sums and the interval's, so that no interval spans two epochs."""
        self._sums.zero_()
        self._counts = [0, 0]

    def _means(self, row: int) -> dict[str, float | None]:
        count = self._counts[row]
        if not count:
            return dict.fromkeys(self.names)
        return {name: total / count for name, total in zip(self.names, self._sums[row].tolist(), strict=True)}

    def to_json(self) -> dict[str, Any]:
        """Return names, sums and counts; Python prints a float64 so that it reads back equal."""
        return {"names": list(self.names), "sums": self._sums.tolist(), "counts": self._counts}

    def restore(self, data: Mapping[str, Any]) -> None:
        """Load what `to_json` gave."""
        assert tuple(data["names"]) == self.names, "a resumed run has the task of its first attempt"
        self._sums.copy_(torch.tensor(data["sums"], dtype=torch.float64))
        self._counts = list(data["counts"])
