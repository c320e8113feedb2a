"""One real platform for all tests of a module, and the run that nobody disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.live_platform import LivePlatform, rows_of


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePlatform]:
    with LivePlatform(tmp_path_factory.mktemp("platform")) as platform:
        yield platform


@pytest.fixture(scope="module")
def undisturbed(platform: LivePlatform) -> list[dict[str, Any]]:
    """The rows of a run that nothing happened to."""
    return rows_of(platform.paths(platform.wait_ended(platform.submit())))
