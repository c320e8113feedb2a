"""The learning rate at every step."""

from __future__ import annotations

import pytest
import torch

from utp.config.train import TrainConfig
from utp.core.schedules.schedule import Schedule, build_schedule
from utp.errors import ConfigError


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


def test_polynomial_is_a_power_of_what_is_left() -> None:
    options = {"power": 3, "final_factor": 0.1}
    polynomial = schedule(100, schedule="polynomial", warmup_ratio=0.0, schedule_options=options)
    assert [polynomial.factor(step) for step in (0, 50, 100)] == pytest.approx([1.0, 0.1 + 0.9 / 8, 0.1])


def test_step_falls_at_its_shares_of_the_whole_run() -> None:
    stairs = schedule(90, schedule="step", warmup_ratio=0.1)
    factors = [stairs.factor(step) for step in range(9, 90)]
    assert factors == pytest.approx([1.0] * 21 + [0.1] * 30 + [0.01] * 30)


def test_milestones_out_of_order_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"schedule_options.milestones: must ascend; sort them"):
        schedule(90, schedule="step", schedule_options={"milestones": [0.6, 0.3]})


def test_one_cycle_is_that_of_torch() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    theirs = torch.optim.lr_scheduler.OneCycleLR(  # its peak is step pct_start * total_steps - 1, its end the last step
        optimizer, 0.5, total_steps=101, pct_start=31 / 101, cycle_momentum=False
    )
    ours = schedule(100, schedule="one_cycle", warmup_ratio=0.3)
    for step in range(100):
        assert 0.5 * ours.factor(step) == pytest.approx(theirs.get_last_lr()[0]), step
        optimizer.step()
        theirs.step()
