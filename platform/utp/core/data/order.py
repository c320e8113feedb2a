"""Which training samples an epoch holds, in which order; a function of (seed, epoch)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch

from utp.core.data.dataset import Key
from utp.core.randomness import generator


def shuffled_keys(num_samples: int, seed: int, epoch: int) -> list[Key]:
    """Return every sample once, in random order."""
    order = torch.randperm(num_samples, generator=generator(seed, "shuffle", epoch)).tolist()
    return [Key(epoch, index) for index in order]


def balanced_keys(labels: Sequence[int], seed: int, epoch: int) -> list[Key]:
    """Return as many samples as there are, each of a class drawn evenly, and drawn evenly within it, with replacement.

    A sample that comes again has the next `repeat`, so that it is augmented anew.
    """
    counts = torch.bincount(torch.tensor(labels))
    by_class = torch.tensor(labels).argsort(stable=True)
    starts = counts.cumsum(0) - counts
    classes = counts.nonzero().squeeze(1)
    draws = generator(seed, "balanced", epoch)
    chosen = classes[torch.randint(len(classes), (len(labels),), generator=draws)]
    within = (torch.rand(len(labels), dtype=torch.float64, generator=draws) * counts[chosen]).long()
    seen: Counter[int] = Counter()
    keys = []
    for index in by_class[starts[chosen] + within].tolist():
        keys.append(Key(epoch, index, seen[index]))
        seen[index] += 1
    return keys
