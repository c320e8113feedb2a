"""The groups of fields that a form shows."""

from dataclasses import fields

from utp.config.field_groups import FIELD_GROUPS
from utp.config.train import TrainConfig


def test_every_field_is_in_one_group() -> None:
    grouped = [field for group in FIELD_GROUPS.values() for field in group]
    assert sorted(grouped) == sorted(field.name for field in fields(TrainConfig))
