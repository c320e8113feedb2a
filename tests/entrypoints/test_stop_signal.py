"""The first signal asks, the second one forces."""

from __future__ import annotations

import signal

import pytest

from utp.entrypoints.stop_signal import StopSignal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_sets_the_flag_and_says_so(number: signal.Signals) -> None:
    told: list[bool] = []
    with StopSignal(lambda: told.append(True)) as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
    assert told == [True]


def test_second_signal_stops_at_once() -> None:
    with StopSignal(lambda: None), pytest.raises(KeyboardInterrupt):  # noqa: PT012 - two signals are the case
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_handlers_of_before_are_back_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopSignal(lambda: None):
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
