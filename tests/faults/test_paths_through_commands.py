"""Rows 51 and 52 of the fault matrix: no path of a config or a command line leads outside the mounts.

The resolver itself is tested, by corpus and hypothesis, in config/test_paths.py; here the commands that call it are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from utp.config.naming import reserve_run
from utp.config.train import TrainConfig
from utp.entrypoints.cli import app
from utp.settings import get_settings

pytestmark = pytest.mark.fault

CORPUS = (
    "../outside", "a/../../outside", "..%2foutside", "%252e%252e%252foutside", "~/outside", "~root/outside",
    "a\x00b", "..\\outside", "\\\\server\\share", "\uff0e\uff0e/outside", "\u2024\u2024/outside", "a\u2215b",
    "n" * 300, "a/" * 2100, "", " ",
)  # fmt: skip
RUN = {
    "root": "digits",
    "model_flavour": "builtin/resnet-micro",
    "load_pretrained": False,
    "num_workers": 0,
    "max_datapoints_per_class": 2,
    "epochs": 1,
}


def train(**changes: Any) -> tuple[int, str]:
    Path("config.json").write_text(json.dumps({**RUN, **changes}))
    result = CliRunner().invoke(app, ["train", "config.json"])
    Path("config.json").unlink()
    assert "Traceback" not in result.stderr
    return result.exit_code, result.stderr


@pytest.mark.parametrize("field", ["root", "tb_root", "ckpt_dir"])
def test_no_path_of_a_config_leaves_its_mount_or_makes_anything(
    workplace: Path, snapshot: Callable[[], set[Path]], field: str
) -> None:
    before = snapshot()
    for value in CORPUS:
        exit_code, told = train(**{field: value})
        assert exit_code == 2, (value, told)
        assert field in told, (value, told)
        assert snapshot() == before, value


def test_absolute_path_names_a_place_beneath_the_mount(workplace: Path, snapshot: Callable[[], set[Path]]) -> None:
    before = snapshot()
    exit_code, told = train(root="/etc")
    assert exit_code == 2
    assert str(workplace / "inside" / "datasets" / "etc") in told.replace("\n", "")
    assert snapshot() == before


@pytest.mark.parametrize("field", ["run_name", "model_suffix"])
def test_any_name_of_a_run_makes_one_folder_in_each_of_its_roots(
    workplace: Path, snapshot: Callable[[], set[Path]], field: str
) -> None:
    config = TrainConfig(**RUN)
    homes = [workplace / "inside" / "logs" / root / "digits" for root in ("runs", "checkpoints")]
    for home in homes:
        home.mkdir(parents=True)
    for value in CORPUS:
        before = snapshot()
        paths = reserve_run(replace(config, **{field: value}), get_settings())
        assert snapshot() - before == {paths.run_dir, paths.checkpoint_dir}
        assert [paths.run_dir.parent, paths.checkpoint_dir.parent] == homes


@pytest.mark.parametrize("command", ["resume", "evaluate"])
def test_no_directory_of_a_run_is_taken_from_outside(
    workplace: Path, snapshot: Callable[[], set[Path]], command: str
) -> None:
    outside = workplace / "outside"
    outside.mkdir()
    (outside / "config.json").write_text(json.dumps(RUN))
    (workplace / "inside" / "logs" / "link").symlink_to(outside)
    before = snapshot()
    for value in (*CORPUS, str(outside), "../outside", "logs/link", "link"):
        result = CliRunner().invoke(app, [command, value])
        assert result.exit_code == 2, (value, result.output)
        assert "Traceback" not in result.stderr
        assert snapshot() == before, value


def test_dataset_whose_class_folder_leads_outside_is_refused(
    workplace: Path, snapshot: Callable[[], set[Path]]
) -> None:
    (workplace / "outside").mkdir()
    (workplace / "inside" / "datasets" / "digits" / "train" / "10").symlink_to(workplace / "outside")
    before = snapshot()
    exit_code, told = train()
    assert exit_code == 2
    assert "train/10 is a link out of the dataset" in told.replace("\n", "")
    assert snapshot() == before


@pytest.mark.parametrize("root", ["runs", "checkpoints"])
def test_root_of_runs_or_checkpoints_that_leads_outside_is_refused(
    workplace: Path, snapshot: Callable[[], set[Path]], root: str
) -> None:
    (workplace / "outside").mkdir()
    (workplace / "inside" / "logs" / root).symlink_to(workplace / "outside")
    before = snapshot()
    exit_code, told = train()
    assert exit_code == 2
    assert "symlink" in told
    assert snapshot() == before
