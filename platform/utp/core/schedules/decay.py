"""How the learning rate falls after warm-up."""

from __future__ import annotations

import math

from utp.core.schedules.entries import DecayOptions, OneCycleOptions, PolynomialOptions, StepOptions


def cosine(progress: float, options: DecayOptions) -> float:
    """Half a cosine from 1 to `final_factor`."""
    return _half_cosine(1, options.final_factor, progress)


def linear(progress: float, options: DecayOptions) -> float:
    """A straight line from 1 to `final_factor`."""
    return 1 - (1 - options.final_factor) * progress


def polynomial(progress: float, options: PolynomialOptions) -> float:
    """A power of what is left, from 1 to `final_factor`."""
    return options.final_factor + (1 - options.final_factor) * math.pow(1 - progress, options.power)


def step(progress: float, options: StepOptions) -> float:
    """`gamma` to the power of the milestones that lie behind."""
    # A milestone of 2/3 is meant to fall on step 60 of 90, which 60 / 90 >= 2 / 3 misses by a rounding elsewhere.
    return options.gamma ** sum(progress > share - 1e-9 for share in options.milestones)


def one_cycle(progress: float, options: OneCycleOptions) -> float:
    """Half a cosine from `initial_factor` at -1 up to 1 at 0, and another down to `final_factor` at 1."""
    if progress < 0:
        return _half_cosine(options.initial_factor, 1, 1 + progress)
    return _half_cosine(1, options.final_factor, progress)


def constant(progress: float, options: None) -> float:
    """Always 1."""
    return 1.0


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))
