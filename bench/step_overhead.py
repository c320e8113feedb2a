"""What our loop costs per optimizer step, beside a plain PyTorch loop: `python bench/step_overhead.py [--rounds 5]`.

A network of 130 parameters, batches of 16, one thread, 400 steps: the framework is all there is. Ours runs as a user's
run does: journal, TensorBoard, a live display, meters, guard; the evaluation and the save that end the epoch are not
counted. All clip to norm 1 and follow a cosine; AdamW. Rounds are interleaved, ratios are medians of the rounds'
ratios, by CPU time of the process.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.device import Compute
from utp.core.journal import AttemptJournal
from utp.core.local_reporter import LocalReporter
from utp.core.loop import fit
from utp.core.randomness import generator
from utp.core.task import Evaluation, StepSums, StopPoll
from utp.entrypoints.run_display import ConsoleDisplay

STEPS, BATCH = 400, 16
CONFIG = TrainConfig(root="-", model_flavour="-", epochs=1, num_threads=1, device="cpu", autocast_dtype="float32")
Batch = tuple[Tensor, Tensor]


class TinyTask:
    """Random vectors in ten classes; remembers the CPU time at the first batch and at the evaluation."""

    batch_sizes = (BATCH,) * STEPS
    sum_names = ("loss", "acc@1")
    has_test = False
    identity: Mapping[str, Any] = {"classes": [str(index) for index in range(10)], "data_fingerprint": "random"}
    started_s = ended_s = 0.0

    def build_model(self) -> nn.Module:
        return tiny_model()

    def set_training_mode(self, model: nn.Module) -> None:
        model.train()

    def train_batches(self, epoch: int, start_batch: int, compute: Compute) -> Iterator[Batch]:
        self.started_s = time.process_time()
        return iter(loader())

    def step(self, model: nn.Module, batch: Batch, compute: Compute) -> StepSums:
        pixels, labels = batch
        logits = model(pixels)
        loss = functional.cross_entropy(logits, labels, reduction="none").sum()
        return StepSums(len(labels), {"loss": loss, "acc@1": (logits.detach().argmax(1) == labels).sum()})

    def evaluate(
        self, model: nn.Module, split: str, compute: Compute, should_stop: StopPoll, views: str | None = None
    ) -> Evaluation:
        self.ended_s = time.process_time()
        return Evaluation({"val_loss": 1.0, "val_acc@1": 0.5, "val_f1_macro": 0.5})

    def export(self, model: nn.Module, directory: Path, facts: Mapping[str, Any]) -> None:
        pass


def tiny_model() -> nn.Module:
    return nn.Linear(12, 10)


def loader() -> DataLoader[Any]:
    draws = generator(0, "bench")
    pixels, labels = torch.randn(STEPS * BATCH, 12, generator=draws), torch.randint(10, (STEPS * BATCH,))
    return DataLoader(TensorDataset(pixels, labels), batch_size=BATCH, shuffle=True)


def ours() -> float:
    task = TinyTask()
    with tempfile.TemporaryDirectory() as folder:
        paths = RunPaths(Path(folder) / "runs", Path(folder) / "checkpoints")
        for directory in (paths.run_dir, paths.checkpoint_dir):
            directory.mkdir(parents=True)
        console = Console(file=io.StringIO(), force_terminal=True, width=100)
        with AttemptJournal(paths) as journal, ConsoleDisplay(console, console) as display:
            reporter = LocalReporter(journal, display, lambda: False)
            store = CheckpointStore(paths.checkpoint_dir, journal.number)
            fit(CONFIG, task, reporter, Checkpointer(CONFIG, task.identity, paths, store, print))  # type: ignore[arg-type]
    return task.ended_s - task.started_s


def plain_loop(batches: Iterable[Batch]) -> float:
    model = tiny_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=CONFIG.lr, weight_decay=CONFIG.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / STEPS))
    started = time.process_time()
    for pixels, labels in batches:
        loss = functional.cross_entropy(model(pixels), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return time.process_time() - started


LOOPS: dict[str, Callable[[], float]] = {
    "raw + DataLoader(0)": lambda: plain_loop(loader()),
    "raw, one batch": lambda: plain_loop([next(iter(loader()))] * STEPS),
    "utp, all on": ours,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    times: dict[str, list[float]] = {name: [] for name in LOOPS}
    for number in range(arguments.rounds + 1):
        for name, loop in LOOPS.items():
            seconds = loop()
            if number:  # the first round loads code
                times[name].append(seconds)
    base = times["raw + DataLoader(0)"]
    print(f"torch {torch.__version__}, load {os.getloadavg()[0]:.1f}, {arguments.rounds} rounds of {STEPS} steps")
    print(f"{'loop':<22}{'CPU ms/step':>12}{'x raw + DataLoader':>20}")
    for name, values in times.items():
        ratio = statistics.median(value / peer for value, peer in zip(values, base, strict=True))
        print(f"{name:<22}{statistics.median(values) / STEPS * 1e3:>12.3f}{ratio:>20.2f}")


if __name__ == "__main__":
    main()
