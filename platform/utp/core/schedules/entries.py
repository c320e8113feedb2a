"""Learning-rate schedules by name. A new one is a line here and a function beside it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from utp.config.train import STRICT
from utp.core.registry import Registry

SCHEDULES = Registry("schedule")
"""Target: `fn(progress, options) -> share of the peak rate`; progress is 0 after warm-up and 1 at the run's end."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DecayOptions:
    """Options of `cosine` and `linear`."""

    final_factor: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Learning rate at the end of the run, as a share of the peak."""


SCHEDULES.register(
    "cosine",
    "utp.core.schedules.decay:cosine",
    options=DecayOptions,
    doc="Falls along half a cosine; the standard choice (https://arxiv.org/abs/1608.03983).",
)
SCHEDULES.register("linear", "utp.core.schedules.decay:linear", options=DecayOptions, doc="Falls in a straight line.")
SCHEDULES.register("constant", "utp.core.schedules.decay:constant", doc="Stays at the peak after warm-up.")
