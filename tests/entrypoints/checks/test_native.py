"""The doctor's line on the compiled code."""

from __future__ import annotations

import pytest

from utp.entrypoints.checks import native


def test_missing_library_is_named_with_its_use_and_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "problem_of", lambda name: f"lib{name}.so is not built")
    finding = native.check_native()
    assert finding.status == "ok"  # nothing fails without it
    assert "libresize.so is not built: the decoded cache" in finding.found
    assert "libjpeg.so is not built: JPEGs" in finding.found
    assert "apt install gcc libc6-dev libjpeg-dev" in finding.todo


def test_libraries_in_use_need_nothing_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "problem_of", lambda name: "")
    finding = native.check_native()
    assert finding.found.endswith("in use")
    assert finding.todo == ""
