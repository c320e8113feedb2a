"""What is said, and when, of a disk with too little room."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from utp.core import disk_space
from utp.core.disk_space import check_room, describe_shortage, free_bytes
from utp.core.ema import Ema
from utp.core.state import Meters, TrainState

GB = 10**9


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, int | None]:
    room: dict[str, int | None] = {"bytes": None}
    monkeypatch.setattr(disk_space, "free_bytes", lambda directory: room["bytes"])
    return room


def state_of(num_trainable: int, num_frozen: int = 0, *, has_ema: bool = False) -> TrainState:
    """Return a state on no device, whose parameters would take four bytes each."""
    with torch.device("meta"):
        model = nn.ParameterDict({"trained": torch.empty(num_trainable), "frozen": torch.empty(num_frozen)})
    model["frozen"].requires_grad_(False)
    optimizer = torch.optim.AdamW([model["trained"]])
    ema = Ema(model, 0.9) if has_ema else None
    return TrainState(model, optimizer, Meters(("loss",), torch.device("cpu")), ema=ema)


def test_room_is_that_of_the_file_system(tmp_path: Path) -> None:
    before, found = free_bytes(tmp_path), os.statvfs(tmp_path)
    assert before is not None
    assert before == pytest.approx(found.f_bavail * found.f_frsize, rel=0.01)
    assert free_bytes(Path("/proc")) is None  # which says 0 of 0


@pytest.mark.parametrize("room", [1200, 10**15, None])
def test_save_with_a_fifth_to_spare_or_an_unknown_room_is_begun(free: dict[str, int | None], room: int | None) -> None:
    free["bytes"] = room
    check_room(Path("/disk"), 1000)


def test_save_that_does_not_fit_is_refused_as_by_a_full_disk(free: dict[str, int | None]) -> None:
    free["bytes"] = 12 * GB - 1
    with pytest.raises(OSError, match=r"12\.0 GB have to be free, and 12\.0 GB are: '/disk'") as caught:
        check_room(Path("/disk"), 10 * GB)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize(
    ("state", "size_gb"),
    [
        (state_of(GB // 4), 3),
        (state_of(GB // 4, num_frozen=GB), 7),
        (state_of(GB // 4, has_ema=True), 4),
    ],
    ids=["plain", "frozen", "ema"],
)
def test_run_is_told_of_a_disk_that_does_not_take_what_it_keeps(
    free: dict[str, int | None], state: TrainState, size_gb: int
) -> None:
    """The newest two, the best and one under way; two moments of what is trained before the optimizer has them."""
    free["bytes"] = 4 * size_gb * GB
    assert describe_shortage(Path("/disk"), state, 2, 0) is None
    free["bytes"] -= 1
    sentence = describe_shortage(Path("/disk"), state, 2, 0)
    assert sentence is not None
    assert sentence.startswith(f"/disk has {4 * size_gb}.0 GB free, less than 4 checkpoints of {size_gb}.0 GB each")
    assert "lower keep_last (2)" in sentence
    assert describe_shortage(Path("/disk"), state, 2, 1) is None, "one is there already"
    free["bytes"] = None
    assert describe_shortage(Path("/disk"), state, 2, 0) is None, "not known"


def test_moments_that_are_there_are_counted_as_they_are(free: dict[str, int | None]) -> None:
    model = nn.Linear(1000, 1000, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.zeros(1, 1000)).sum().backward()
    optimizer.step()
    free["bytes"] = 4 * 8_000_000 - 1
    sentence = describe_shortage(
        Path("/disk"), TrainState(model, optimizer, Meters((), torch.device("cpu"))), keep_last=2, num_there=0
    )
    assert sentence is not None
    assert "4 checkpoints of 8.0 MB each" in sentence
