"""The learning rate at every step."""

from __future__ import annotations

import pytest

from utp.config.train import TrainConfig
from utp.core.schedules.schedule import Schedule, build_schedule


def schedule(total_steps: int, **fields: object) -> Schedule:
    return build_schedule(TrainConfig(root="x", model_flavour="x", **fields), total_steps)  # type: ignore[arg-type]


def test_warm_up_is_linear_and_ends_at_the_peak() -> None:
    factors = [schedule(100, warmup_ratio=0.1).factor(step) for step in range(10)]
    assert factors == pytest.approx([(step + 1) / 10 for step in range(10)])


def test_cosine_is_half_way_in_the_middle_and_near_zero_at_the_end() -> None:
    cosine = schedule(110, warmup_ratio=10 / 110)
    assert cosine.factor(10) == 1.0
    assert cosine.factor(60) == pytest.approx(0.5)
    assert 0 < cosine.factor(109) < 0.001


def test_linear_ends_at_its_final_factor() -> None:
    linear = schedule(100, schedule="linear", warmup_ratio=0.0, schedule_options={"final_factor": 0.2})
    assert linear.factor(0) == 1.0
    assert linear.factor(50) == pytest.approx(0.6)
    assert linear.factor(100) == pytest.approx(0.2)


def test_constant_stays() -> None:
    constant = schedule(100, schedule="constant", warmup_ratio=0.0)
    assert {constant.factor(step) for step in range(100)} == {1.0}


@pytest.mark.parametrize("total_steps", [1, 2, 3])
@pytest.mark.parametrize("warmup_ratio", [0.0, 0.05, 0.99])
def test_shortest_runs_have_a_rate_above_zero(total_steps: int, warmup_ratio: float) -> None:
    short = schedule(total_steps, warmup_ratio=warmup_ratio)
    assert all(0 < short.factor(step) <= 1 for step in range(total_steps))
