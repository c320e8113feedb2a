"""A run that is killed ten times, stopped once by Ctrl-C and resumed each time equals one that nobody disturbed.

Real photos of digits from disk, two loader processes, random augmentation, float32 on the CPU. One chain of twelve
processes serves all tests here, forked from one that has the imports done; the undisturbed twin runs in the test's own.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from tests.support.noise_images import CONFIG as NOISE_CONFIG
from tests.support.noise_images import write_noise
from tests.support.recording_reporter import without_timings
from tests.support.warm_process import Child, WarmProcess

from utp.config.loading import load_configs
from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import CheckpointStore
from utp.core.data.sample_digits import write_digits
from utp.core.data.worker_server import start_worker_server
from utp.core.journal import read_rows
from utp.entrypoints.cli import main
from utp.entrypoints.local_run import start_run
from utp.entrypoints.run_display import ConsoleDisplay
from utp.settings import Settings, get_settings

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


HERE = "tests.entrypoints.test_interrupted_run"
NUM_KILLS = 10


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, and what it wrote to stdout and stderr together."""

    code: int
    output: str


@dataclass(frozen=True)
class Twins:
    """The undisturbed run, the disturbed one, and how each of the latter's processes ended."""

    undisturbed: RunPaths
    disturbed: RunPaths
    killed: tuple[Ended, ...]
    ctrl_c: Ended
    last: Ended


def warm_up() -> None:
    """Run in the warm process: start the loader processes' server, and import what only a run imports."""
    start_worker_server()
    with TemporaryDirectory() as folder:
        write_noise(Path(folder) / "data", {"a": 6, "b": 6}, {"a": 2, "b": 2})
        run_here(Path(folder), Path(folder) / "logs", NOISE_CONFIG)
    # A forked process may not wait for its parent's child, and would start a server of its own.
    forkserver.ensure_running = lambda: None
    forkserver._forkserver.ensure_running = lambda: None


def run_utp(*arguments: str) -> None:
    """Run in a forked process: the command line, with that process's environment."""
    get_settings.cache_clear()
    sys.argv = ["utp", *arguments]
    main()


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    folder = tmp_path_factory.mktemp("interrupted")
    with WarmProcess([HERE], setup=f"{HERE}:warm_up") as warm:  # gets ready beside the undisturbed run
        write_digits(folder / "datasets" / "digits")
        (folder / "config.json").write_text(json.dumps(CONFIG))
        (loaded,) = load_configs(str(folder / "config.json"))
        undisturbed = run_here(folder / "datasets", folder / "a", loaded.config)
        disturbed = RunPaths(folder / "b" / "runs" / "digits" / NAME, folder / "b" / "checkpoints" / "digits" / NAME)
        moments = random.Random(20261123)  # a seed, so that a failure can be had again
        killed = []
        for attempt, step in enumerate(sorted(moments.sample(range(2, NUM_STEPS - 8), NUM_KILLS)), start=1):
            process = start_training(warm, folder, attempt)
            wait_for_step(process, disturbed.attempt(attempt).metrics, step)
            time.sleep(moments.uniform(0, 0.1))  # within a step, a save or an evaluation
            os.kill(process.pid, signal.SIGKILL)
            killed.append(finish(process))
        process = start_training(warm, folder, NUM_KILLS + 1)
        wait_for_step(process, disturbed.attempt(NUM_KILLS + 1).metrics, NUM_STEPS - 6)
        os.kill(process.pid, signal.SIGINT)
        ctrl_c = finish(process)
        last = finish(start_training(warm, folder, NUM_KILLS + 2))
        yield Twins(undisturbed, disturbed, tuple(killed), ctrl_c, last)


def run_here(datasets: Path, logs: Path, config: TrainConfig) -> RunPaths:
    """Train in this process."""
    settings = Settings(DATASETS_DIR=datasets, SHARED_LOGS_DIR=logs, UTP_CACHE_DIR=datasets / "cache")
    num_threads = torch.get_num_threads()
    with Path(os.devnull).open("w") as nowhere, ConsoleDisplay(Console(file=nowhere), Console(file=nowhere)) as display:
        outcome = start_run(config, settings, display)
    torch.set_num_threads(num_threads)
    return outcome.paths


def start_training(warm: WarmProcess, folder: Path, attempt: int) -> Child:
    environment = {
        "DATASETS_DIR": str(folder / "datasets"),
        "SHARED_LOGS_DIR": str(folder / "b"),
        "UTP_CACHE_DIR": str(folder / "cache"),
    }
    arguments = ("train", str(folder / "config.json"), "--resume")
    return warm.fork(f"{HERE}:run_utp", *arguments, out=folder / f"out-{attempt}.txt", environment=environment)


def finish(process: Child) -> Ended:
    return Ended(process.wait(), process.out.read_text())


def wait_for_step(process: Child, metrics: Path, step: int) -> None:
    """Return as soon as the attempt has reported `step` or a later one, somewhere within the next step."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if any(row["step"] >= step for row in read_rows(metrics)):
            return
        if process.has_ended():
            pytest.fail(f"training ended before step {step}:\n{process.out.read_text()}")
        time.sleep(0.005)
    pytest.fail(f"step {step} was not reached in time:\n{process.out.read_text()}")


def rows(paths: RunPaths) -> list[dict[str, Any]]:
    return without_timings(list(read_rows(paths.metrics)))


def assert_same_tensors(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_every_kill_came_in_the_middle_of_the_run(twins: Twins) -> None:
    assert [ended.code for ended in twins.killed] == [-signal.SIGKILL] * NUM_KILLS
    starts = [json.loads(path.read_text()) for path in twins.disturbed.attempts.glob("*/start.json")]
    resumed = [start["resumed_step"] for start in sorted(starts, key=lambda start: start["attempt"])]
    assert len(resumed) == NUM_KILLS + 2
    assert resumed == sorted(resumed)
    assert len(set(resumed)) >= NUM_KILLS // 2
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


@pytest.mark.parametrize("file", ["val_best.parquet", "val_last.parquet", "test.parquet"])
def test_predictions_are_equal_to_the_byte(twins: Twins, file: str) -> None:
    both = [(paths.predictions / file).read_bytes() for paths in (twins.undisturbed, twins.disturbed)]
    assert both[0] == both[1]


def test_best_meta_names_the_same_best(twins: Twins) -> None:
    metas = [json.loads(paths.best_meta.read_text()) for paths in (twins.undisturbed, twins.disturbed)]
    keys = ("monitor", "mode", "value", "epoch", "step", "sha256")
    assert {key: metas[0][key] for key in keys} == {key: metas[1][key] for key in keys}


def test_ctrl_c_saves_and_leaves_with_130_and_the_command_to_go_on(twins: Twins) -> None:
    assert twins.ctrl_c.code == 130, twins.ctrl_c.output
    assert "saving a checkpoint first" in twins.ctrl_c.output
    assert f"utp resume {twins.disturbed.run_dir}\n" in twins.ctrl_c.output
    stopped, last = (twins.disturbed.attempt(NUM_KILLS + number) for number in (1, 2))
    result = json.loads(stopped.result.read_text())
    assert result["outcome"] == "stopped"
    assert json.loads((last.directory / "start.json").read_text())["resumed_step"] == result["step"]


def test_last_process_succeeds_and_says_where_everything_is(twins: Twins) -> None:
    assert twins.last.code == 0, twins.last.output
    for path in (twins.disturbed.run_dir, twins.disturbed.best_weights, twins.disturbed.hf, twins.disturbed.figures):
        assert path.exists()
        assert str(path) in twins.last.output
    assert f"tensorboard --logdir {twins.disturbed.tensorboard}\n" in twins.last.output


def test_nothing_half_written_stays_behind(twins: Twins) -> None:
    left = [path for root in (twins.disturbed.run_dir, twins.disturbed.checkpoint_dir) for path in root.rglob(".*")]
    assert left == []


def test_environment_names_versions_hardware_and_data(twins: Twins) -> None:
    environment = json.loads(twins.disturbed.environment.read_text())
    assert environment["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert environment["data"]["classes"] == [str(digit) for digit in range(10)]
    assert len(environment["data"]["data_fingerprint"]) >= 32
    assert environment["hardware"]["usable_cores"] >= 1
