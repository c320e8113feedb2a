"""A run that is killed three times, stopped once by Ctrl-C and resumed each time equals one that nobody disturbed.

Real photos of digits from disk, two loader processes, random augmentation, float32 on the CPU. One chain of five
processes serves all tests here; the undisturbed twin runs in the test's own process.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from tests.support.recording_reporter import without_timings

from utp.config.loading import load_configs
from utp.config.paths import RunPaths
from utp.core.checkpoint import CheckpointStore
from utp.core.data.sample_digits import write_digits
from utp.core.journal import read_rows
from utp.entrypoints.local_run import start_run
from utp.entrypoints.run_display import ConsoleDisplay
from utp.settings import Settings

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(600)]

NAME = "resnet-micro__cross_entropy__scratch"
NUM_STEPS = 3 * 13
CONFIG = {
    "root": "digits",
    "model_flavour": "builtin/resnet-micro",
    "load_pretrained": False,
    "augmentation_options": {"scale": [0.7, 1.0], "horizontal_flip": 0.0},
    "max_datapoints_per_class": 20,
    "batch_size": 16,
    "num_workers": 2,
    "epochs": 3,
    "lr": 3e-3,
    "autocast_dtype": "float32",
    "num_threads": 1,
    "log_interval_steps": 1,
    "checkpoint_every_steps": 5,
    "save_per_epoch_checkpoint": True,
}


@dataclass(frozen=True)
class Twins:
    """The undisturbed run, the disturbed one, and how each of the latter's processes ended."""

    undisturbed: RunPaths
    disturbed: RunPaths
    kill_steps: tuple[int, ...]
    ctrl_c: subprocess.CompletedProcess[str]
    last: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    folder = tmp_path_factory.mktemp("interrupted")
    write_digits(folder / "datasets" / "digits")
    config_file = folder / "config.json"
    config_file.write_text(json.dumps(CONFIG))
    undisturbed = train_here(folder, config_file)
    disturbed = RunPaths(folder / "b" / "runs" / "digits" / NAME, folder / "b" / "checkpoints" / "digits" / NAME)
    moments = random.Random(20261123)  # a seed, so that a failure can be had again
    kill_steps = tuple(sorted(moments.sample(range(2, NUM_STEPS - 8), 3)))
    for step in kill_steps:
        process = start_training(folder, config_file)
        wait_for_step(process, disturbed, step)
        process.kill()
        process.communicate()
    process = start_training(folder, config_file)
    wait_for_step(process, disturbed, NUM_STEPS - 6)
    process.send_signal(signal.SIGINT)
    ctrl_c = finish(process)
    return Twins(undisturbed, disturbed, kill_steps, ctrl_c, finish(start_training(folder, config_file)))


def train_here(folder: Path, config_file: Path) -> RunPaths:
    settings = Settings(DATASETS_DIR=folder / "datasets", SHARED_LOGS_DIR=folder / "a", UTP_CACHE_DIR=folder / "cache")
    (loaded,) = load_configs(str(config_file))
    num_threads = torch.get_num_threads()
    with Path(os.devnull).open("w") as nowhere, ConsoleDisplay(Console(file=nowhere), Console(file=nowhere)) as display:
        outcome = start_run(loaded.config, settings, display)
    torch.set_num_threads(num_threads)
    return outcome.paths


def start_training(folder: Path, config_file: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "DATASETS_DIR": str(folder / "datasets"),
        "SHARED_LOGS_DIR": str(folder / "b"),
        "UTP_CACHE_DIR": str(folder / "cache"),
    }
    command = [sys.executable, "-m", "utp.entrypoints.cli", "train", str(config_file), "--resume"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=240)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_for_step(process: subprocess.Popen[str], paths: RunPaths, step: int) -> None:
    """Return as soon as any attempt has reported `step`, somewhere within the next step."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if any(row["step"] >= step for path in paths.attempts.glob("*/metrics.jsonl") for row in read_rows(path)):
            return
        if process.poll() is not None:
            pytest.fail(f"training ended before step {step}:\n{process.communicate()[1]}")
        time.sleep(0.005)
    process.kill()
    pytest.fail(f"step {step} was not reached in time:\n{process.communicate()[1]}")


def rows(paths: RunPaths) -> list[dict[str, Any]]:
    return without_timings(list(read_rows(paths.metrics)))


def assert_same_tensors(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_every_kill_came_in_the_middle_of_the_run(twins: Twins) -> None:
    starts = [json.loads(path.read_text()) for path in sorted(twins.disturbed.attempts.glob("*/start.json"))]
    assert len(starts) == 5
    resumed = [start["resumed_step"] for start in starts]
    assert resumed[0] == 0
    assert all(before < after for before, after in pairwise(resumed) if before)
    assert 0 < resumed[-1] < NUM_STEPS


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors"])
def test_final_weights_and_moments_are_bit_identical(twins: Twins, file: str) -> None:
    newest = [CheckpointStore(paths.checkpoint_dir, 99).newest() for paths in (twins.undisturbed, twins.disturbed)]
    assert newest[0] is not None
    assert newest[1] is not None
    assert newest[0].step == newest[1].step == NUM_STEPS
    assert_same_tensors(load_file(newest[0].directory / file), load_file(newest[1].directory / file))


def test_metric_rows_are_equal_save_for_times(twins: Twins) -> None:
    undisturbed = rows(twins.undisturbed)
    assert len(undisturbed) == NUM_STEPS + 3 + 1
    assert rows(twins.disturbed) == undisturbed


@pytest.mark.parametrize("file", ["best.pt", "epoch_001.pt", "epoch_002.pt", "epoch_003.pt"])
def test_single_files_open_without_pickled_code_and_are_equal(twins: Twins, file: str) -> None:
    both = [torch.load(p.checkpoint_dir / file, weights_only=True) for p in (twins.undisturbed, twins.disturbed)]
    assert_same_tensors(both[0]["model"], both[1]["model"])
    assert both[0]["identity"] == both[1]["identity"]


def test_best_meta_names_the_same_best(twins: Twins) -> None:
    metas = [json.loads(paths.best_meta.read_text()) for paths in (twins.undisturbed, twins.disturbed)]
    keys = ("monitor", "mode", "value", "epoch", "step", "sha256")
    assert {key: metas[0][key] for key in keys} == {key: metas[1][key] for key in keys}


def test_ctrl_c_saves_and_leaves_with_130_and_the_command_to_go_on(twins: Twins) -> None:
    assert twins.ctrl_c.returncode == 130
    assert "saving a checkpoint first" in twins.ctrl_c.stderr
    assert f"utp resume {twins.disturbed.run_dir}\n" in twins.ctrl_c.stdout
    result = json.loads(twins.disturbed.attempt(4).result.read_text())
    assert result["outcome"] == "stopped"
    start = json.loads((twins.disturbed.attempt(5).directory / "start.json").read_text())
    assert start["resumed_step"] == result["step"]


def test_last_process_succeeds_and_says_where_everything_is(twins: Twins) -> None:
    assert twins.last.returncode == 0, twins.last.stderr
    for path in (twins.disturbed.run_dir, twins.disturbed.best_weights, twins.disturbed.hf, twins.disturbed.figures):
        assert path.exists()
        assert str(path) in twins.last.stdout
    assert f"tensorboard --logdir {twins.disturbed.tensorboard}\n" in twins.last.stdout


def test_nothing_half_written_stays_behind(twins: Twins) -> None:
    left = [path for root in (twins.disturbed.run_dir, twins.disturbed.checkpoint_dir) for path in root.rglob(".*")]
    assert left == []


def test_environment_names_versions_hardware_and_data(twins: Twins) -> None:
    environment = json.loads(twins.disturbed.environment.read_text())
    assert environment["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert environment["data"]["classes"] == [str(digit) for digit in range(10)]
    assert len(environment["data"]["data_fingerprint"]) >= 32
    assert environment["hardware"]["usable_cores"] >= 1
