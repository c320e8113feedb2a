"""Names are given out one at a time, each once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from utp.cluster.run_names import Claim, RunNames
from utp.config.train import TrainConfig
from utp.settings import Settings
from utp.store.recorder import Recorder

CLAIM = Claim(config=TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False))


@pytest.fixture
def names(recorder: Recorder, settings: Settings) -> RunNames:
    return RunNames(recorder, settings)


def test_racing_callers_get_different_names_and_directories(names: RunNames) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda number: names.reserve(CLAIM, f"key {number}"), range(8)))
    base = min(run.name for run in runs)
    assert {run.name for run in runs} == {base, *(f"{base}-v{version}" for version in range(1, 8))}
    assert all(Path(run.run_dir).is_dir() and Path(run.checkpoint_dir).is_dir() for run in runs)


def test_same_key_gets_the_same_run_also_from_a_restarted_actor(
    names: RunNames, recorder: Recorder, settings: Settings
) -> None:
    first = names.reserve(CLAIM, "key")
    assert names.reserve(CLAIM, "key") == first
    assert RunNames(recorder, settings).reserve(CLAIM, "key") == first
