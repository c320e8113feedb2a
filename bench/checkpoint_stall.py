"""How long training stands still for a save, beside torch.save: `python bench/checkpoint_stall.py [--size base]`.

Saves the state of a model with AdamW moments (small: 64 MB, base: ViT-B's 1.03 GB) in turns with torch.save and with
torch.save + fsync + rename, and prints medians and their ratios. `durable` is the time until a save that nothing
disturbs is committed, hashes included; `durable, busy` the same beside a loop of small matrix products, a stand-in for
training, and `slowdown` how much slower that loop runs meanwhile. The first save, which allocates the buffers, is
printed apart. Base takes 3 GB of memory (state, gradients, buffers) and up to 4 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.state import Meters, TrainState

SIZES = {"small": (192, 12), "base": (768, 12)}  # width and blocks of a ViT


def build_state(size: str) -> TrainState:
    width, blocks = SIZES[size]
    layers = [
        nn.ModuleList([nn.Linear(width, 3 * width), nn.Linear(width, width), nn.Linear(width, 4 * width)])
        for _ in range(blocks)
    ] + [nn.ModuleList([nn.Linear(4 * width, width), nn.LayerNorm(width)]) for _ in range(blocks)]
    model = nn.ModuleList(layers)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return TrainState(model, optimizer, Meters(("loss",), torch.device("cpu")))


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def torch_save(state: TrainState, path: Path, durably: bool) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        torch.save({"model": state.model.state_dict(), "optimizer": state.optimizer.state_dict()}, file)
        if durably:
            file.flush()
            os.fsync(file.fileno())
    temporary.rename(path)


def products_per_s(is_over: Callable[[], bool]) -> float:
    left, right = torch.randn(64, 64), torch.randn(64, 64)
    started, count = time.perf_counter(), 0
    while not is_over():
        left = (left @ right).tanh()
        count += 1
    return count / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, default=None, help="none means 5, and 3 of base")
    parser.add_argument("--directory", type=Path, default=None, help="where to write; none means the temporary folder")
    arguments = parser.parse_args()
    state = build_state(arguments.size)
    num_bytes = sum(t.numel() * t.element_size() for file in state.tensors().values() for t in file.values())
    machine = f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}"
    print(f"{num_bytes / 1e6:.0f} MB, {machine}")
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        measure(state, Path(folder), arguments.rounds or (3 if arguments.size == "base" else 5))


def measure(state: TrainState, folder: Path, rounds: int) -> None:
    paths = RunPaths(folder / "runs", folder / "checkpoints")
    paths.checkpoint_dir.mkdir()
    config = TrainConfig(root="unused", model_flavour="unused", keep_last=1)
    names = ("stall", "durable", "durable, busy", "torch.save", "torch.save+fsync")
    times: dict[str, list[float]] = {name: [] for name in names}
    slowdowns = []
    with Checkpointer(config, {}, paths, CheckpointStore(paths.checkpoint_dir, 1), print) as checkpointer:
        for index in range(rounds + 1):
            state.progress.step += 1
            alone = timed(lambda: (checkpointer.save(state, {}), checkpointer.finish(wait=True)))
            state.progress.step += 1
            begun = time.perf_counter()
            stall = timed(lambda: checkpointer.save(state, {}))
            busy = products_per_s(lambda: checkpointer.finish(wait=False) is not None)
            durable = time.perf_counter() - begun
            if index == 0:
                print(f"first save, buffers allocated: durable {alone:.3f} s")
                continue
            until = time.perf_counter() + 0.5
            slowdowns.append(products_per_s(lambda until=until: time.perf_counter() > until) / busy)
            for name, value in (("stall", stall), ("durable", alone), ("durable, busy", durable)):
                times[name].append(value)
            for name, durably in (("torch.save", False), ("torch.save+fsync", True)):
                times[name].append(timed(lambda durably=durably: torch_save(state, folder / "peer.pt", durably)))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"{name:<18} {medians[name]:.3f} s  ({min(values):.3f}-{max(values):.3f})")
    for name in ("torch.save", "torch.save+fsync"):
        print(f"stall / {name:<17} {medians['stall'] / medians[name]:.3f}")
    print(f"durable / torch.save+fsync {medians['durable'] / medians['torch.save+fsync']:.2f}")
    print(f"slowdown while writing {statistics.median(slowdowns):.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
