"""What a comparison of runs computes: McNemar's exact test, means over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


def mcnemar_exact_p(num_fixed: int, num_broke: int) -> float:
    """Return the two-sided exact p of McNemar's test: how likely a split at least as uneven is if no run is better.

    Under that hypothesis each image on which the two differ goes to either with 1/2: twice the tail of a binomial.
    """
    total, smaller = num_fixed + num_broke, min(num_fixed, num_broke)
    if total == 0:
        return 1.0
    # In logarithms: 2^-total is 0 as a float beyond 1,074 images.
    log_all = total * math.log(2) - math.lgamma(total + 1)
    terms = (math.exp(-log_all - math.lgamma(hits + 1) - math.lgamma(total - hits + 1)) for hits in range(smaller + 1))
    return min(1.0, 2 * math.fsum(terms))


@dataclass(frozen=True)
class Spread:
    """A metric over several seeds."""

    mean: float
    sd: float | None
    """Sample standard deviation; none of a single value."""
    n: int


def spread(values: Sequence[float]) -> Spread:
    """Return mean and sample standard deviation of one value or more."""
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def spread_by_metric(runs: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return the spread of every metric that one of the runs has, over those that have it."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: spread([run[name] for run in runs if name in run]) for name in names}


def best_index(values: Sequence[float | None], *, is_higher_better: bool | None) -> int | None:
    """Return which value is best; none where the direction is not known, or fewer than two differ."""
    known = [(value, index) for index, value in enumerate(values) if value is not None]
    if is_higher_better is None or len({value for value, _ in known}) < 2:
        return None
    sign = 1 if is_higher_better else -1
    return max(known, key=lambda one: (sign * one[0], -one[1]))[1]
