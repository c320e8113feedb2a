"""A flood of lines from several worker processes arrives whole, and a page of it is read at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench" / "log_flood.py"


@pytest.mark.process
def test_flood_arrives_whole_and_is_paged_quickly() -> None:
    command = [sys.executable, str(BENCH), "--lines", "40000", "--rounds", "1"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "none lost, none twice" in told
    page_ms = re.search(r"by offset: ([0-9.]+) ms CPU", told)
    assert page_ms
    assert float(page_ms[1]) < 100
