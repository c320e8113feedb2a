"""A kill for memory is put down to what died just after it."""

from __future__ import annotations

import pytest

from utp.cluster.kernel_oom import OomWatch, count_oom_kills


def test_kernel_counts_its_kills() -> None:
    assert count_oom_kills() >= 0


def test_kill_is_seen_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    kills, now = 3, 100.0
    monkeypatch.setattr("utp.cluster.kernel_oom.count_oom_kills", lambda: kills)
    watch = OomWatch(clock=lambda: now)
    assert not watch.has_killed(within_s=5)  # those before are none of ours
    kills, now = 4, 200.0
    assert watch.has_killed(within_s=5)
    now = 206.0
    assert not watch.has_killed(within_s=5)
    assert watch.has_killed(within_s=30)
