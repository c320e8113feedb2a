"""Every random draw is a function of (seed, purpose, epoch, index or step).

Then the number of loader workers, the depth of prefetch and a resume in mid-epoch change nothing:
no state of a generator has to be saved, and sample 7 of epoch 3 is cropped the same way whoever crops it.
"""

from __future__ import annotations

import hashlib
import random

import torch


def derive_seed(seed: int, purpose: str, *indices: int) -> int:
    """Return a 63-bit seed for one draw; different arguments give independent seeds."""
    text = f"{seed}/{purpose}/{'/'.join(map(str, indices))}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def reseed(seed: int) -> None:
    """Seed Python's and torch's default generators of this process, CPU and current CUDA device.

    `torch.manual_seed` costs over 100 us in the CUDA build, since it walks all backends; this is called per sample.
    """
    random.seed(seed)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed(seed)


def generator(seed: int, purpose: str, *indices: int) -> torch.Generator:
    """Return a CPU generator of its own for one draw."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, *indices))
