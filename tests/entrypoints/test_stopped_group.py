"""SIGTERM to all processes of a run at once, as a container, systemd or a batch scheduler sends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from PIL import Image
from rich.console import Console
from tests.support.noise_images import CONFIG, write_noise

from utp.config.loading import dump_config
from utp.config.paths import RunPaths
from utp.core.journal import read_rows
from utp.entrypoints.local_run import resume_run
from utp.entrypoints.run_display import ConsoleDisplay
from utp.settings import Settings

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(240)]

NUM_STEPS = 10
RUN = replace(CONFIG, num_workers=2, batch_size=8, epochs=1, run_name="stopped", lr=1e-4)


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    """A run that mostly waits for its loader processes: 80 names of pictures that take long to decode."""
    write_noise(tmp_path / "data", {"a": 0, "b": 0}, {"a": 3, "b": 3})
    for name in ("a", "b"):
        large = tmp_path / f"{name}.png"
        Image.effect_noise((1200, 1200), 64).convert("RGB").save(large, compress_level=1)
        for number in range(NUM_STEPS * RUN.batch_size // 2):
            (tmp_path / "data" / "train" / name / f"{number}.png").hardlink_to(large)
    (tmp_path / "config.json").write_text(json.dumps(dump_config(RUN)))
    return RunPaths(tmp_path / "runs" / "data" / "stopped", tmp_path / "checkpoints" / "data" / "stopped")


def mounts(folder: Path) -> Mapping[str, str]:
    return {"DATASETS_DIR": str(folder), "SHARED_LOGS_DIR": str(folder), "UTP_CACHE_DIR": str(folder / "cache")}


@contextmanager
def training(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Train in a process group of its own, of which nothing stays behind."""
    command = [sys.executable, "-m", "utp.entrypoints.cli", "train", str(folder / "config.json")]
    with (
        (folder / "out.txt").open("wb") as out,
        subprocess.Popen(
            command, stdout=out, stderr=out, env=os.environ | mounts(folder), start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            for left in members(process.pid):
                left.kill()


def members(group: int) -> list[psutil.Process]:
    """Return the live processes of a group."""
    found = []
    for one in psutil.process_iter():
        try:
            if os.getpgid(one.pid) == group and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def wait_for_step(process: subprocess.Popen[bytes], metrics: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while not any(row["step"] >= step for row in read_rows(metrics)):
        assert process.poll() is None, "training ended"
        assert time.monotonic() < deadline, f"no step {step}"
        time.sleep(0.01)


def test_stop_that_all_processes_are_sent_saves_and_ends_them(tmp_path: Path, paths: RunPaths) -> None:
    with training(tmp_path) as process:
        wait_for_step(process, paths.attempt(1).metrics, 4)  # the processes take as long: batches come in pairs
        # itself, two loader processes, the server they are forked from, and multiprocessing's resource tracker
        assert len(members(process.pid)) == 5
        os.killpg(process.pid, signal.SIGTERM)
        sent = time.monotonic()
        output = (tmp_path / "out.txt").read_text
        assert process.wait(60) == 130, output()
        assert time.monotonic() - sent < 10, "nobody was waited for in vain"
        _, left = psutil.wait_procs(members(process.pid), timeout=5)
        assert left == []
    assert "saving a checkpoint first" in output()
    result = json.loads(paths.attempt(1).result.read_text())
    assert result["outcome"] == "stopped"
    assert 4 <= result["step"] < NUM_STEPS
    settings = Settings(DATASETS_DIR=tmp_path, SHARED_LOGS_DIR=tmp_path, UTP_CACHE_DIR=tmp_path / "cache")
    with Path(os.devnull).open("w") as nowhere, ConsoleDisplay(Console(file=nowhere), Console(file=nowhere)) as display:
        resumed = resume_run(paths, lambda config: replace(config, num_workers=0), settings, display)
    assert (resumed.result["outcome"], resumed.result["step"]) == ("succeeded", NUM_STEPS)
    start = json.loads((paths.attempt(2).directory / "start.json").read_text())
    assert start["resumed_step"] == result["step"]
