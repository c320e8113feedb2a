"""How the learning rate falls after warm-up."""

from __future__ import annotations

import math

from utp.core.schedules.entries import DecayOptions


def cosine(progress: float, options: DecayOptions) -> float:
    """Half a cosine from 1 to `final_factor`."""
    return options.final_factor + (1 - options.final_factor) * 0.5 * (1 + math.cos(math.pi * progress))


def linear(progress: float, options: DecayOptions) -> float:
    """A straight line from 1 to `final_factor`."""
    return 1 - (1 - options.final_factor) * progress


def constant(progress: float, options: None) -> float:
    """Always 1."""
    return 1.0
