"""What a real training step costs on a CPU, beside plain PyTorch and timm: `python bench/cpu_step.py [--rounds 5]`.

Pictures lie decoded in memory, so that forward, backward and update are all there is; one thread, one model per loop.
Raw: float32, torch's defaults (AdamW, clip_grad_norm_, a scheduler, zero_grad). timm: its optimizer factory, its
clipping and its meter of the loss, as its train.py does. Ours: the loop's own step with guard and meters, as a run
takes it on this machine (bfloat16 where it is faster, channels last for convolutions), and the same in raw's number and
memory format. Steps are interleaved; CPU time of the process, medians of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import timm.optim
import timm.utils
import torch
from torch import Tensor, nn
from torch.nn import functional

from utp.config.train import TrainConfig
from utp.core.device import Compute, resolve_compute
from utp.core.memory_format import lay_out
from utp.core.models.build import build_classifier
from utp.core.models.source import resolve_source
from utp.core.optimizer_step import OptimizerStep
from utp.core.optimizers.build import build_optimizer
from utp.core.schedules.schedule import build_schedule
from utp.core.state import Meters, TrainState
from utp.core.task import StepSums
from utp.core.timed_batches import TimedBatches
from utp.settings import Settings

CLASSES = [f"class {index}" for index in range(19)]
STEPS = 10_000
Batch = tuple[Tensor, Tensor]
TakeStep = Callable[[], None]


class HeldPictures:
    """As much of a task as a step needs."""

    def __init__(self, batch_size: int) -> None:
        self.batch_sizes = (batch_size,)

    def step(self, model: nn.Module, batch: Batch, compute: Compute) -> StepSums:
        images, labels = batch[0].to(memory_format=compute.memory_format), batch[1]
        logits = model(pixel_values=images).logits
        loss = functional.cross_entropy(logits.float(), labels, reduction="none").sum()
        return StepSums(len(labels), {"loss": loss, "acc@1": (logits.detach().argmax(1) == labels).sum()})


def build_model(config: TrainConfig, size: int) -> nn.Module:
    source = resolve_source(config.model_flavour, None, Settings())
    model = build_classifier(
        source, CLASSES, load_pretrained=config.load_pretrained, freeze_backbone=False, seed=0, image_size=(size, size)
    )
    return model.train()


def raw_step(config: TrainConfig, batch: Batch) -> TakeStep:
    model = build_model(config, batch[0].shape[-1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / STEPS))

    def take() -> None:
        loss = functional.cross_entropy(model(pixel_values=batch[0]).logits, batch[1])
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()

    return take


def timm_step(config: TrainConfig, batch: Batch) -> TakeStep:
    model = build_model(config, batch[0].shape[-1])
    optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=config.lr, weight_decay=config.weight_decay)
    meter = timm.utils.AverageMeter()

    def take() -> None:
        loss = functional.cross_entropy(model(pixel_values=batch[0]).logits, batch[1])
        loss.backward()  # type: ignore[no-untyped-call]
        timm.utils.dispatch_clip_grad(model.parameters(), value=1.0, mode="norm")
        optimizer.step()
        optimizer.zero_grad()
        meter.update(loss.item(), len(batch[1]))

    return take


def our_step(config: TrainConfig, batch: Batch) -> TakeStep:
    compute, _ = resolve_compute(config)
    compute.apply()
    model, compute = lay_out(config, compute, build_model(config, batch[0].shape[-1]), None)
    state = TrainState(model, build_optimizer(config, model), Meters(("loss", "acc@1"), compute.device))
    task: Any = HeldPictures(len(batch[1]))
    schedule = build_schedule(config, total_steps=STEPS)
    step = OptimizerStep(config, task, state, schedule=schedule, compute=compute, log_note=print)
    return lambda: step.take(TimedBatches(iter([batch])), range(1))


def measure(config: TrainConfig, batch: Batch, rounds: int) -> dict[str, list[float]]:
    """Return CPU seconds per step of each loop and round; the first two steps of each are not counted."""
    plain = replace(config, autocast_dtype="float32", channels_last=False)
    loops = {
        "raw, float32": raw_step(config, batch),
        "timm": timm_step(config, batch),
        "utp": our_step(config, batch),
        "utp, float32, channels first": our_step(plain, batch),
    }
    times: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(rounds + 2):
        for name, take in loops.items():
            started = time.process_time()
            take()
            if number >= 2:
                times[name].append(time.process_time() - started)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=96, help="side of a picture in pixels")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--models", nargs="+", default=["builtin/resnet-18", "builtin/vit-tiny"], help="or folders")
    arguments = parser.parse_args()
    draws = torch.Generator().manual_seed(0)
    size = arguments.size
    images = torch.randn(arguments.batch_size, 3, size, size, generator=draws)
    batch = images, torch.randint(len(CLASSES), (arguments.batch_size,), generator=draws)
    print(f"torch {torch.__version__}, load {os.getloadavg()[0]:.1f}, {arguments.rounds} rounds, {tuple(images.shape)}")
    for name in arguments.models:
        config = TrainConfig(
            root="-", model_flavour=name, load_pretrained="builtin" not in name, device="cpu", num_threads=1
        )
        times = measure(config, batch, arguments.rounds)
        base = times["raw, float32"]
        for loop, values in times.items():
            ratio = statistics.median(peer / value for value, peer in zip(values, base, strict=True))
            time_ms = statistics.median(values) * 1e3
            print(f"{Path(name).name:<24}{loop:<30}{time_ms:>9.1f} ms CPU/step  {ratio:.2f}x as fast")


if __name__ == "__main__":
    main()
