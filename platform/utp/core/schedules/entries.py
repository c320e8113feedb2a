"""Learning-rate schedules by name. A new one is a line here and a function beside it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict, field_validator
from pydantic.dataclasses import dataclass

from utp.config.train import STRICT
from utp.core.registry import Registry

SCHEDULES = Registry("schedule")
"""Target: `fn(progress, options) -> share of the peak rate`; progress is 0 after warm-up and 1 at the run's end.

Traits: `shapes_warmup` where the function gives the warm-up too, with progress from -1 to 0; `spans_run` where
progress is the share of the whole run, warm-up included.
"""

Share = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DecayOptions:
    """Options of `cosine` and `linear`."""

    final_factor: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Learning rate at the end of the run, as a share of the peak."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PolynomialOptions:
    """Options of `polynomial`."""

    final_factor: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Learning rate at the end of the run, as a share of the peak."""

    power: Annotated[float, Field(gt=0)] = 2.0
    """Exponent; 1 is a straight line."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class StepOptions:
    """Options of `step`."""

    milestones: Annotated[tuple[Share, ...], Strict(False), Field(min_length=1)] = (1 / 3, 2 / 3)
    """Shares of the run, warm-up included, at which the rate falls; ascending."""

    gamma: Share = 0.1
    """What the rate is multiplied by at each milestone."""

    @field_validator("milestones")
    @classmethod
    def _milestones_ascend(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("must ascend; sort them and name each once")
        return value


@dataclass(frozen=True, kw_only=True, config=STRICT)
class OneCycleOptions:
    """Options of `one_cycle`."""

    initial_factor: Annotated[float, Field(gt=0, le=1)] = 0.04
    """Learning rate of the first step, as a share of the peak."""

    final_factor: Annotated[float, Field(ge=0, le=1)] = 4e-6
    """Learning rate at the end of the run, as a share of the peak."""


SCHEDULES.register(
    "cosine",
    "utp.core.schedules.decay:cosine",
    options=DecayOptions,
    doc="Falls along half a cosine; the standard choice (https://arxiv.org/abs/1608.03983).",
)
SCHEDULES.register("linear", "utp.core.schedules.decay:linear", options=DecayOptions, doc="Falls in a straight line.")
SCHEDULES.register("constant", "utp.core.schedules.decay:constant", doc="Stays at the peak after warm-up.")
SCHEDULES.register(
    "one_cycle",
    "utp.core.schedules.decay:one_cycle",
    options=OneCycleOptions,
    doc="Up and down once in half cosines, up over `warmup_ratio`: set that to 0.3 (https://arxiv.org/abs/1803.09820).",
    shapes_warmup=True,
)
SCHEDULES.register(
    "polynomial",
    "utp.core.schedules.decay:polynomial",
    options=PolynomialOptions,
    doc="Falls with a power of the share of the run that is left.",
)
SCHEDULES.register(
    "step",
    "utp.core.schedules.decay:step",
    options=StepOptions,
    doc="Falls by a factor at each milestone, as ResNets were trained.",
    spans_run=True,
)
