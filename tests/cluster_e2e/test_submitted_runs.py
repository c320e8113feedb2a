"""A run through queue, Ray job and store is the one that `utp train` makes: its files, weights, numbers, and rows."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tests.support.live_platform import CONFIG, REPOSITORY, LivePlatform, held, result_of, rows_of

from utp.config.loading import dump_config
from utp.config.paths import RunPaths
from utp.core.checkpoint import CheckpointStore
from utp.store.database import open_database
from utp.store.repositories.curves import CurveRepository
from utp.store.repositories.runs import RunDetail
from utp.store.states import Outcome, RunState

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]

PLAIN = replace(CONFIG, loss="cross_entropy", plugins=())


@pytest.fixture(scope="module")
def trained(platform: LivePlatform) -> RunPaths:
    """The run of `utp train`."""
    file = platform.folder / "plain.json"
    file.write_text(json.dumps(dump_config(replace(PLAIN, run_name="trained"))))
    platform.utp("train", str(file))
    shared = platform.folder / "shared"
    return RunPaths(shared / "runs" / "digits" / "trained", shared / "checkpoints" / "digits" / "trained")


@pytest.fixture(scope="module")
def submitted(platform: LivePlatform) -> RunDetail:
    """The run of `utp run submit`."""
    file = platform.folder / "submitted.json"
    file.write_text(json.dumps(dump_config(replace(PLAIN, run_name="submitted"))))
    assert platform.utp("run", "submit", str(file)) == "queued submitted\n"
    return platform.wait_ended(platform.client.get("submitted").id)


@pytest.fixture(scope="module")
def by_ray(platform: LivePlatform) -> RunDetail:
    """The run of `ray job submit`, with Ray's token."""
    job = (
        "python",
        "-m",
        "utp.entrypoints.job",
        "--config-json",
        json.dumps(dump_config(replace(PLAIN, run_name="by-ray"))),
    )
    ray = (sys.executable, "-m", "ray.scripts.scripts", "job", "submit", "--address", platform.cluster.dashboard)
    platform.run(*ray, "--working-dir", str(REPOSITORY / "platform"), "--", *job, environment=platform.token)
    return platform.client.get("by-ray")


def check_is_same(platform: LivePlatform, run: RunDetail, trained: RunPaths) -> None:
    paths = platform.paths(run)
    assert files_of(paths.run_dir) - {"attempts/1/rank0.log"} == files_of(trained.run_dir) - {"attempts/1/rank0.log"}
    assert files_of(paths.checkpoint_dir) == files_of(trained.checkpoint_dir)
    for ours, theirs in zip(newest_weights(paths), newest_weights(trained), strict=True):
        assert ours[0] == theirs[0]
        assert (ours[1] == theirs[1]).all()
    assert rows_of(paths) == rows_of(trained)
    other = {"ended_at"}
    assert {k: v for k, v in result_of(paths).items() if k not in other} == {
        k: v for k, v in result_of(trained).items() if k not in other
    }


def files_of(folder: Path) -> set[str]:
    """Return the names of all files but TensorBoard's, which hold a time and a process."""
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in files if "tfevents" not in name}


def newest_weights(paths: RunPaths) -> list[tuple[str, object]]:
    newest = CheckpointStore(paths.checkpoint_dir, attempt=99).committed()[-1]
    return sorted(load_file(newest.directory / "model.safetensors").items())


def test_queued_run_is_the_run_of_utp_train_to_the_bit(
    platform: LivePlatform, submitted: RunDetail, trained: RunPaths
) -> None:
    check_is_same(platform, submitted, trained)


def test_job_submitted_to_ray_registers_itself_and_is_the_same_run(
    platform: LivePlatform, by_ray: RunDetail, trained: RunPaths
) -> None:
    assert (by_ray.state, [one.outcome for one in by_ray.attempts]) == (RunState.SUCCEEDED, [Outcome.SUCCEEDED])
    check_is_same(platform, by_ray, trained)


def test_log_is_whole_and_in_order(platform: LivePlatform, submitted: RunDetail) -> None:
    lines = platform.utp("run", "logs", "submitted").splitlines()
    assert lines == platform.paths(submitted).attempt(1).log(rank=0).read_text().splitlines()
    steps = [int(line.split("step ")[1].split()[0]) for line in lines if line.startswith("train step")]
    assert steps == list(range(1, 16))
    followed = platform.utp("run", "logs", "-f", "submitted").splitlines()
    assert followed == lines


def test_rows_of_the_store_say_what_the_files_say(platform: LivePlatform, submitted: RunDetail) -> None:
    paths = platform.paths(submitted)
    result = result_of(paths)
    (attempt,) = submitted.attempts
    assert (attempt.outcome, attempt.step, attempt.epoch) == (Outcome.SUCCEEDED, result["step"], result["epoch"])
    assert submitted.metrics == result["metrics"]
    committed = CheckpointStore(paths.checkpoint_dir, attempt=99).committed()
    assert [(one.name, one.step) for one in submitted.checkpoints] == [(one.name, one.step) for one in committed]
    assert [one.name for one in submitted.checkpoints if one.is_best] == [result["best"]["checkpoint"]]
    assert sorted(one.name for one in submitted.figures) == sorted(path.stem for path in paths.figures.glob("*.png"))
    assert all((paths.run_dir / one.path).is_file() for one in submitted.figures)


def test_curves_of_the_store_are_the_rows_of_the_files(platform: LivePlatform, submitted: RunDetail) -> None:
    rows = rows_of(platform.paths(submitted))
    expected: dict[tuple[str, str], dict[int, float]] = {}
    for row in rows:
        for name, value in row.items():
            if name not in ("kind", "step", "epoch") and isinstance(value, int | float):
                expected.setdefault((row["kind"], name), {})[row["step"]] = value
    database = open_database(platform.settings)
    names = sorted({name for _, name in expected})
    curves = CurveRepository(database).read_curves([submitted.id], names)
    database.close()
    found = {(one.kind, one.name): dict(zip(one.points.steps, one.points.values, strict=True)) for one in curves}
    assert found == expected


def test_busy_port_is_named_with_the_way_out(platform: LivePlatform, tmp_path: Path) -> None:
    told = platform.refused("up", *platform.port_options, environment={"UTP_HOME": str(tmp_path / "home")})
    told = " ".join(told.split())
    assert f"port {platform.ports['gcs']} (gcs) is in use by process" in told
    assert "name another: utp up --gcs-port N" in told


def test_down_keeps_all_and_what_ran_goes_on_at_the_next_up(
    platform: LivePlatform, submitted: RunDetail, trained: RunPaths
) -> None:  # the last test here: others would find another Ray
    lines = platform.utp("run", "logs", "submitted")
    hold = platform.hold("down")
    run_id = platform.submit(replace(held(hold, after=7), run_name="interrupted"))
    platform.wait_held(hold)
    platform.wait(run_id, lambda run: run.state is RunState.RUNNING)
    with ThreadPoolExecutor() as pool:
        down = pool.submit(platform.utp, "down")
        platform.wait(run_id, lambda run: run.state is RunState.STOPPING)
        platform.wait_heard(run_id)
        hold.unlink()
        assert "1 run waits and goes on at the next `utp up`" in down.result()
    assert "utp is down" in platform.refused("status")
    assert platform.utp("run", "logs", "submitted") == lines
    assert platform.client.get("submitted") == submitted
    platform.up()
    run = platform.wait_ended(run_id)
    assert [attempt.outcome for attempt in run.attempts] == [Outcome.PREEMPTED, Outcome.SUCCEEDED]
    assert run.attempts[1].start_step == run.attempts[0].step
    assert rows_of(platform.paths(run)) == rows_of(trained)
