"""What a resumed run may change."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from utp.config.loading import compare_configs, dump_config, parse_config
from utp.config.resume import SAFE_ON_RESUME, UNSAFE_ON_RESUME
from utp.config.train import TrainConfig

CONFIG = TrainConfig(root="fruit", model_flavour="m", loss_options={"weights": (1, 2)})


def test_every_field_stands_in_exactly_one_table_with_a_reason() -> None:
    names = {field.name for field in fields(TrainConfig)}
    assert SAFE_ON_RESUME.keys() | UNSAFE_ON_RESUME.keys() == names
    assert not SAFE_ON_RESUME.keys() & UNSAFE_ON_RESUME.keys()
    assert all([*SAFE_ON_RESUME.values(), *UNSAFE_ON_RESUME.values()])


def test_config_that_was_saved_and_read_differs_in_nothing() -> None:
    change = compare_configs(parse_config(dump_config(CONFIG)), CONFIG)
    assert (change.safe, change.unsafe) == ((), ())


@pytest.mark.parametrize(
    ("changes", "safe", "unsafe"),
    [
        ({"epochs": 20, "lr": 1.0}, ("lr", "epochs"), ()),
        ({"batch_size": 8}, (), ("batch_size",)),
        ({"loss_options": {}, "device": "cpu", "seed": 3}, ("device",), ("loss_options", "seed")),
    ],
)
def test_changes_are_split_in_the_order_of_the_fields(
    changes: dict[str, Any], safe: tuple[str, ...], unsafe: tuple[str, ...]
) -> None:
    change = compare_configs(CONFIG, replace(CONFIG, **changes))
    assert (change.safe, change.unsafe) == (safe, unsafe)


def test_change_is_described_by_field_both_values_and_reason() -> None:
    change = compare_configs(CONFIG, replace(CONFIG, epochs=20, seed=3, run_name="x"))
    assert change.describe_safe() == ("epochs was 10 and is 20 now: a run may be made longer or shorter",)
    assert change.describe_unsafe() == (
        "seed was 0 and is 3 now: its random draws would be others than those of a run that was never interrupted; "
        "run_name was None and is 'x' now: it decides where the run lies; a resumed run stays there"
    )
