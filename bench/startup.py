"""How long `utp train` takes to its first step, beside a bare script: `python bench/startup.py [--rounds 3]`.

Both train the same architecture on the same few pictures in a process of their own that is started for it. The bare
script imports torch, torchvision and transformers, builds the model and takes one step on a folder of images; `utp
train` has scanned its data, opened a run and journalled its first row by then. In turns; seconds from the start of the
process to the first step, medians, and the CPU seconds of each process until it has ended (ours also evaluates, saves,
tests and exports).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

GOAL_S = 1.0
MODEL = "builtin/resnet-micro"

BARE = """
import sys, time
import torch
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from transformers import AutoConfig, AutoModelForImageClassification
steps = [transforms.RandomResizedCrop(32), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
data = DataLoader(ImageFolder(sys.argv[1], transforms.Compose(steps)), batch_size=4, shuffle=True)
config = AutoConfig.from_pretrained(sys.argv[2], num_labels=2)
model = AutoModelForImageClassification.from_config(config)
optimizer = torch.optim.AdamW(model.parameters())
images, labels = next(iter(data))
functional.cross_entropy(model(pixel_values=images).logits, labels).backward()
optimizer.step()
print(time.time())
"""


def write_pictures(root: Path) -> None:
    draws = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("a", "b"):
            (root / split / name).mkdir(parents=True)
            for number in range(4):
                pixels = draws.integers(0, 256, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number}.png")


def start_bare(folder: Path) -> float:
    """Return seconds from the start of the process to the end of the first step."""
    started = time.time()
    command = [sys.executable, "-c", BARE, str(folder / "data" / "train"), str(folder / "model")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout) - started


def start_ours(folder: Path) -> float:
    config = {
        "root": str(folder / "data"), "model_flavour": MODEL, "load_pretrained": False, "image_size": 32,
        "batch_size": 4, "num_workers": 0, "epochs": 1, "log_interval_steps": 1, "device": "cpu",
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(config))
    started = time.time()
    command = [sys.executable, "-c", "from utp.entrypoints.cli import main; main()", "train", str(folder / "run.json")]
    subprocess.run(command, cwd=folder, capture_output=True, check=True, env={**os.environ, "UTP_CACHE_DIR": "cache"})
    (metrics,) = (folder / "runs").rglob("attempts/1/metrics.jsonl")
    first = json.loads(metrics.read_text().splitlines()[0])
    shutil.rmtree(folder / "runs")
    shutil.rmtree(folder / "checkpoints")
    return datetime.fromisoformat(first["time"]).timestamp() - started


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    starts = {"bare script": start_bare, "utp train": start_ours}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in starts}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder / "data")
        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text(model_config())
        for number in range(rounds + 1):
            for kind, start in starts.items():
                used = cpu_s()
                seconds = start(folder)
                if number:  # the first round reads the libraries from disk
                    times[kind].append((seconds, cpu_s() - used))
    print(f"load {os.getloadavg()[0]:.1f}, {rounds} rounds")
    for kind, values in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{kind:<12}{wall:>7.2f} s to the first step, {cpu:>6.2f} s CPU in all")
    pairs = zip(times["utp train"], times["bare script"], strict=True)
    print(f"more than bare: {statistics.median(ours[0] - bare[0] for ours, bare in pairs):.2f} s (goal {GOAL_S})")


def model_config() -> str:
    from utp.core.models.source import resolve_source  # noqa: PLC0415  imports transformers, for the folder's content
    from utp.settings import Settings  # noqa: PLC0415

    location = Path(resolve_source(MODEL, None, Settings()).location)
    return (location / "config.json").read_text()


if __name__ == "__main__":
    main()
