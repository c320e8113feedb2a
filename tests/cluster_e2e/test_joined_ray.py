"""`utp up` on a Ray that others started: one platform on it, with the places of Ray's own environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.joined_platform import JoinedPlatform

from utp.cluster.joined_cluster import find_joined

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JoinedPlatform]:
    with JoinedPlatform(tmp_path_factory.mktemp("joined")) as platform:
        yield platform


def utp(platform: JoinedPlatform, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "utp.entrypoints.cli", command]
    return subprocess.run(
        words, env=platform.environment | environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_second_home_is_refused_and_takes_nothing_from_the_first(platform: JoinedPlatform, tmp_path: Path) -> None:
    second = utp(platform, "up", UTP_HOME=str(tmp_path / "second"))
    assert second.returncode == 2, second.stderr
    assert f"UTP_HOME: is {tmp_path / 'second'} here, and {platform.settings.home} in the processes of Ray" in " ".join(
        second.stderr.split()
    )
    assert find_joined(tmp_path / "second") is None
    assert utp(platform, "down", UTP_HOME=str(tmp_path / "second")).returncode == 0
    assert len(platform.processes("HeadActor")) == 1
    assert utp(platform, "up").returncode == 0  # the first one's goes on


def test_places_that_ray_was_started_without_are_named(platform: JoinedPlatform, tmp_path: Path) -> None:
    assert utp(platform, "down").returncode == 0
    refused = utp(platform, "up", DATASETS_DIR=str(tmp_path))
    assert refused.returncode == 2, refused.stderr
    said = " ".join(refused.stderr.split())
    assert f"DATASETS_DIR: is {tmp_path} here, and {platform.settings.datasets_dir} in the processes of Ray" in said
    assert "start Ray with this in its environment" in said
    assert not platform.processes("HeadActor")
    assert find_joined(platform.settings.home) is None
    assert utp(platform, "up").returncode == 0
