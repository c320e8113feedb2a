"""A run that writes without end takes no more of the disk than it may, and its log can be read from end to end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.support.live_platform import CONFIG, LivePlatform

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(900)]

LIMIT = 1 << 20
LINES_PER_CALL = 4000


@pytest.fixture
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePlatform]:
    more = {"UTP_MAX_LOG_BYTES": str(LIMIT)}
    with LivePlatform(tmp_path_factory.mktemp("logs"), more=more) as platform:
        yield platform


@pytest.mark.parametrize("num_workers", [1, 2])
def test_log_stays_within_its_limit_and_reads_as_one(platform: LivePlatform, num_workers: int) -> None:
    config = replace(CONFIG, loss_options={"print_lines": LINES_PER_CALL})
    run = platform.wait_ended(platform.submit(config, num_workers=num_workers))
    for rank in range(num_workers):
        log = platform.paths(run).attempt(1).log(rank)
        assert log.stat().st_size > 4 * LIMIT
        assert log.stat().st_blocks * 512 < 1.5 * LIMIT
        lines = platform.utp("run", "logs", run.id, "--rank", str(rank)).splitlines()
        printed = [number for number, line in enumerate(lines) if line.startswith("000000000 of call ")]
        assert [number for number, line in enumerate(lines) if line.startswith("[utp dropped ")]
        assert lines[printed[0]].startswith("000000000 of call 1 ")
        last_call = lines[printed[-1] : printed[-1] + LINES_PER_CALL]
        assert [int(line[:9]) for line in last_call] == list(range(LINES_PER_CALL))
        assert len({line[9:] for line in last_call}) == 1
        assert last_call[0] != lines[printed[0]]
