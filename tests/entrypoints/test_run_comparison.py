from __future__ import annotations

import pytest

from utp.entrypoints.run_comparison import best_index
from utp.entrypoints.run_tables import format_size, shorten


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("val_acc@1", [0.5, 0.9, None], 1),
        ("val_loss", [0.5, 0.9, None], 0),
        ("test_ece", [0.2, 0.1], 1),
        ("val_map", [0.5, 0.5], None),
        ("val_map", [0.5, None], None),
    ],
)
def test_best_value_is_the_least_of_losses_and_the_most_of_others(
    name: str, values: list[float | None], best: int | None
) -> None:
    assert best_index(name, values) == best


def test_long_names_lose_their_middle() -> None:
    assert shorten("resnet-micro__cross_entropy__scratch-v12", 20) == "resnet-mi…cratch-v12"
    assert shorten("short", 20) == "short"


def test_sizes_are_in_powers_of_ten() -> None:
    assert [format_size(one) for one in (12, 3_400_000, 5_600_000_000)] == ["12 bytes", "3.4 MB", "5.6 GB"]
