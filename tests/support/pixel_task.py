"""A small real task: scikit-learn's handwritten digits as 64 numbers each, learnt by a two-layer network.

It shows that the loop knows no images and no Hugging Face model, and makes the loop's tests take seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from utp.core.data.shares import share_of
from utp.core.device import Compute
from utp.core.randomness import derive_seed, generator, reseed
from utp.core.task import Evaluation, StepSums, StopPoll, StopRequested


@dataclass
class PixelTask:
    batch_size: int = 32
    num_train: int = 200
    seed: int = 0
    dropout: float = 0.2
    has_batch_norm: bool = True
    has_test: bool = True
    poison: Callable[[int, int, Tensor], Tensor] | None = None
    """Changes the pixels of (epoch, batch) before the model sees them."""
    exported: list[Mapping[str, Any]] = field(default_factory=list)
    exported_weights: dict[str, Tensor] = field(default_factory=dict)
    sum_names = ("loss", "acc@1")

    @cached_property
    def data(self) -> tuple[Tensor, Tensor]:
        digits = load_digits()
        return torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        starts = range(0, self.num_train, self.batch_size)
        return tuple(min(self.batch_size, self.num_train - start) for start in starts)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"classes": [str(digit) for digit in range(10)], "data_fingerprint": f"digits-{self.num_train}"}

    def build_model(self) -> nn.Module:
        reseed(derive_seed(self.seed, "init"))
        return nn.Sequential(
            nn.Linear(64, 32),
            nn.BatchNorm1d(32) if self.has_batch_norm else nn.Identity(),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Linear(32, 10),
        )

    def set_training_mode(self, model: nn.Module) -> None:
        model.train()

    def train_batches(self, epoch: int, start_batch: int, compute: Compute) -> Iterator[tuple[Tensor, Tensor, bool]]:
        order = torch.randperm(self.num_train, generator=generator(self.seed, "shuffle", epoch))
        pixels, labels = self.data
        for index, chosen in enumerate(order.split(self.batch_size)):
            if index >= start_batch:
                part = share_of(len(chosen))
                mine = chosen[part.start : part.stop] if part else chosen[:1]
                batch = pixels[mine]
                yield (self.poison(epoch, index, batch) if self.poison else batch), labels[mine], not part

    def step(self, model: nn.Module, batch: tuple[Tensor, Tensor, bool], compute: Compute) -> StepSums:
        pixels, labels, is_stand_in = batch
        logits = model(pixels)
        losses = functional.cross_entropy(logits, labels, reduction="none")
        sums = StepSums(len(labels), {"loss": losses.sum(), "acc@1": (logits.argmax(1) == labels).sum()})
        return sums.without_samples() if is_stand_in else sums

    def evaluate(
        self, model: nn.Module, split: str, compute: Compute, should_stop: StopPoll, views: str | None = None
    ) -> Evaluation:
        if should_stop():
            raise StopRequested
        pixels, labels = self.data
        part = slice(1000, 1300) if split == "val" else slice(1300, 1600)
        logits = model(pixels[part])
        loss = functional.cross_entropy(logits, labels[part])
        accuracy = (logits.argmax(1) == labels[part]).float().mean()
        return Evaluation({f"{split}_loss": float(loss), f"{split}_acc@1": float(accuracy), f"{split}_f1_macro": None})

    def watch_corrupt_files(self, listener: Any) -> None:
        pass

    def export(self, model: nn.Module, directory: Path, facts: Mapping[str, Any]) -> None:
        self.exported.append(facts)
        self.exported_weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def close(self) -> None:
        pass
