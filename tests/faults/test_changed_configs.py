"""Row 37 of the fault matrix: `utp resume --set FIELD=VALUE` for every field there is.

An unsafe field is refused with both values and nothing changes; a safe one is taken, and recorded with both values.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.noise_images import CONFIG, write_noise
from typer.testing import CliRunner, Result

from utp.config.loading import apply_overrides, dump_config, read_config
from utp.config.naming import open_run
from utp.config.resume import SAFE_ON_RESUME, UNSAFE_ON_RESUME
from utp.config.train import TrainConfig
from utp.core.journal import AttemptJournal
from utp.entrypoints.cli import app
from utp.errors import ConfigError
from utp.settings import get_settings

pytestmark = pytest.mark.fault

BASE = replace(
    CONFIG, root="data", epochs=1, run_name="run", mixup_alpha=0.2, device="auto", test_time_augmentation="hflip"
)
COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "prefetch_factor": ("num_workers=1",),
    "max_skipped_steps": ("nan_policy=skip",),
    "max_corrupt_share": ("on_corrupt=skip",),
    "early_stop_min_delta": ("early_stop_patience=5",),
    "mixup_off_epoch": ("epochs=3",),
    "random_erasing_fill": ("random_erasing=0.5",),
    "cache_edge": ("decoded_cache=true",),
    "model_revision": ("model_flavour=someone/model",),
}
"""What else a field needs to have an effect."""

CANDIDATES = (
    "true", "false", "1", "2", "3", "0.5", "0.25", "12", "64", "[2]", "[some.module]", "{a: 1, b: 0}", "{key: 1}",
    "cpu", "bfloat16", "skip", "min", "none", "balanced", "mean", "five_crop", "other",
)  # fmt: skip
NEEDS_ANOTHER_MACHINE = {
    "compile": "starts a C++ compiler",
    "gradient_checkpointing": "the small convolutional model has no such thing",
}


def other_value(name: str) -> tuple[str, ...]:
    """Return assignments that give the field another value than it has."""
    companions = COMPANIONS.get(name, ())
    for candidate in CANDIDATES:
        assignments = (*companions, f"{name}={candidate}")
        try:
            changed = apply_overrides(BASE, assignments)
        except ConfigError:
            continue
        if getattr(changed, name) != getattr(BASE, name):
            return assignments
    pytest.fail(f"no candidate is another value of {name}: add one that is")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with a run that was killed after its only epoch, before it had said how it ended."""
    folder = tmp_path_factory.mktemp("killed")
    write_noise(folder / "data", {"a": 4, "b": 4}, {"a": 2, "b": 2})
    with pytest.MonkeyPatch.context() as patch:
        set_mounts(folder, patch)
        (folder / "config.json").write_text(json.dumps(dump_config(BASE)))
        result = CliRunner().invoke(app, ["train", str(folder / "config.json")])
        assert result.exit_code == 0, result.output
    for path in folder.glob("runs/data/run/**/result.json"):
        path.unlink()
    return folder


def set_mounts(folder: Path, patch: pytest.MonkeyPatch) -> None:
    for name in ("DATASETS_DIR", "SHARED_LOGS_DIR"):
        patch.setenv(name, str(folder))
    patch.setenv("UTP_CACHE_DIR", str(folder / "cache"))
    patch.chdir(folder)
    get_settings.cache_clear()


@pytest.fixture
def place(killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of its own."""
    folder = tmp_path / "place"
    shutil.copytree(killed, folder)
    set_mounts(folder, monkeypatch)
    num_threads = torch.get_num_threads()
    yield folder
    torch.set_num_threads(num_threads)
    torch.use_deterministic_algorithms(mode=False)
    get_settings.cache_clear()


def resume(place: Path, assignments: tuple[str, ...]) -> Result:
    changes = [word for assignment in assignments for word in ("--set", assignment)]
    result = CliRunner().invoke(app, ["resume", str(place / "runs" / "data" / "run"), *changes])
    assert "Traceback" not in result.stderr
    return result


def difference(new: TrainConfig, name: str) -> str:
    return f"{name} was {getattr(BASE, name)!r:.60} and is {getattr(new, name)!r:.60} now"


@pytest.mark.parametrize("name", UNSAFE_ON_RESUME)
def test_unsafe_change_is_refused_with_both_values_and_nothing_is_written(place: Path, name: str) -> None:
    assignments = other_value(name)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    result = resume(place, assignments)
    assert result.exit_code == 2, result.output
    told = " ".join(result.stderr.split())
    assert difference(apply_overrides(BASE, assignments), name) in told
    assert " ".join(UNSAFE_ON_RESUME[name].split()) in told
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_change_that_comes_with_a_resume_that_is_refused_is_not_kept(place: Path) -> None:
    paths = open_run(place / "runs" / "data" / "run", get_settings())
    with AttemptJournal(paths) as alive:  # as another process has it
        alive.write_start(0)
        result = resume(place, ("epochs=7",))
        assert result.exit_code == 2, result.output
        assert "is still running" in " ".join(result.stderr.split())
    (place / "data" / "train" / "a" / "00.png").unlink()
    assert "data_fingerprint was" in " ".join(resume(place, ("epochs=7",)).stderr.split())
    assert read_config(paths.config) == BASE


@pytest.mark.parametrize("name", [name for name in SAFE_ON_RESUME if name not in NEEDS_ANOTHER_MACHINE])
def test_safe_change_is_taken_and_recorded_with_both_values(place: Path, name: str) -> None:
    assignments = other_value(name)
    result = resume(place, assignments)
    assert result.exit_code == 0, result.output
    paths = open_run(place / "runs" / "data" / "run", get_settings())
    new = apply_overrides(BASE, assignments)
    start = json.loads((paths.attempt(2).directory / "start.json").read_text())
    values: dict[str, Any] = {"was": dump_config(BASE)[name], "is": dump_config(new)[name]}
    assert start["config_changes"][name] == values
    assert len(start["config_changes"]) == len(assignments)
    assert difference(new, name) in paths.attempt(2).log(rank=0).read_text()
    assert read_config(paths.config) == new
    assert json.loads(paths.result.read_text())["outcome"] == "succeeded"
