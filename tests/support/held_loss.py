"""A plug-in: cross-entropy that waits, on a chosen call, while a file is there: a run stands where a test needs it.

The values are those of cross-entropy, so that a run that was held equals one that was not.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from pathlib import Path
from typing import Literal

from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from utp.config.train import STRICT
from utp.core import checkpoint
from utp.core.losses.entries import LOSSES
from utp.core.task import SampleLoss

NAME = "held_cross_entropy"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class HeldOptions:
    hold: str = ""
    """File that holds the run while it is there; `<file>.reached` then says the process id of who waits."""
    phase: Literal["train", "eval", "save"] = "train"
    """Where it waits: in a step, in an evaluation, or before a checkpoint gets its name."""
    after: int = 0
    """Calls of this process, or checkpoints, that pass first."""
    then_allocate_mb: int = 0
    """Memory that is taken once the file is gone."""
    print_lines: int = 0
    """Lines that each call of a training step prints."""
    tell_secret: str = ""
    """File that gets the digest of HF_TOKEN as this process has it."""


def build(options: HeldOptions, *, is_training: bool) -> SampleLoss:
    is_held = bool(options.hold) and options.phase == ("train" if is_training else "eval")
    if options.phase == "save" and is_training:
        hold_commit(Path(options.hold), options.after)
    calls = 0
    taken: list[bytearray] = []
    if options.tell_secret:
        Path(options.tell_secret).write_text(hashlib.sha256(os.environ.get("HF_TOKEN", "").encode()).hexdigest())

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if is_held and calls == options.after + 1 and wait_while(Path(options.hold)):
            taken.append(bytearray(os.urandom(1) * (options.then_allocate_mb << 20)))
        if is_training:
            for number in range(options.print_lines):
                print(f"{number:09} of call {calls} ".ljust(99, "."))
        return functional.cross_entropy(logits.float(), targets, reduction="none")

    return loss


def hold_commit(hold: Path, after: int) -> None:
    """Wait in the commit of a checkpoint, in whatever thread writes it."""
    commit, commits = checkpoint.rename_durably, itertools.count()

    def commit_later(source: Path, target: Path) -> None:
        if next(commits) == after:
            wait_while(hold)
        commit(source, target)

    checkpoint.rename_durably = commit_later


def wait_while(hold: Path) -> bool:
    """Wait until the file is gone; False where it was not there."""
    if not hold.exists():
        return False
    hold.with_suffix(".reached").write_text(str(os.getpid()))
    while hold.exists():
        time.sleep(0.02)
    return True


LOSSES.register(NAME, f"{__name__}:build", options=HeldOptions, doc="Cross-entropy that waits for a test.")
