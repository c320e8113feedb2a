"""Secrets reach whoever trains, by a file, and stand nowhere else: not in Ray, the store, a log or a run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from tests.support.live_platform import CONFIG, SECRET, LivePlatform

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]

DIGEST = hashlib.sha256(SECRET.encode()).hexdigest()


def ask_ray(platform: LivePlatform, path: str) -> Any:
    token = {"Authorization": f"Bearer {Path(platform.cluster.token_file).read_text()}"}
    with urlopen(Request(f"{platform.cluster.dashboard}{path}", headers=token)) as answer:
        return json.load(answer)


def files_with(secret: str, folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [str(path) for path in files if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_secret_reaches_the_workers_and_stands_nowhere(platform: LivePlatform, num_workers: int) -> None:
    told = platform.folder / f"digest-{num_workers}"
    config = replace(CONFIG, loss_options={"tell_secret": str(told)})
    run = platform.wait_ended(platform.submit(config, num_workers=num_workers))
    assert told.read_text() == DIGEST
    job = ask_ray(platform, f"/api/jobs/{run.attempts[0].submission_id}")
    assert job["runtime_env"]["env_vars"]["UTP_SECRETS_FILE"] == str(platform.folder / "secrets")
    assert SECRET not in json.dumps(ask_ray(platform, "/api/jobs/"))
    assert files_with(SECRET, platform.folder) == [str(platform.folder / "secrets")]
    assert files_with(SECRET, Path(platform.cluster.temp_dir)) in ([], [str(platform.folder / "secrets")])
