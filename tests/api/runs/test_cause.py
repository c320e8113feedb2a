"""Which line of a log tells why a run failed."""

from __future__ import annotations

import pytest

from utp.api.runs.cause import choose_line
from utp.logs.line_facts import level_of
from utp.logs.numbered import NumberedLine


def lines(*texts: str) -> list[NumberedLine]:
    return [NumberedLine(number, text, None, level_of(text)) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("texts", "message", "line"),
    [
        (("loss is nan at step 3", "ERROR the end", "bye"), "loss is nan at step 3\nmore", 0),
        (("ValueError: a", "KeyError: b", "bye"), "something else", 1),
        (("one", "two", "", "  "), "", 1),
    ],
    ids=["the message", "the last serious one", "the last that says anything"],
)
def test_line_is(texts: tuple[str, ...], message: str, line: int) -> None:
    found = choose_line(lines(*texts), message)
    assert found is not None
    assert found.line == line


def test_log_that_says_nothing_has_no_such_line() -> None:
    assert choose_line(lines("", " "), "boom") is None
