"""One real platform for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.live_platform import LivePlatform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePlatform]:
    with LivePlatform(tmp_path_factory.mktemp("platform")) as platform:
        yield platform
