"""What the environment decides."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from utp.cluster.limits import Limits, Policy, read_policy
from utp.settings import Settings, let_idle_threads_sleep

WAIT_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@pytest.fixture
def no_wait_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WAIT_VARIABLES:
        monkeypatch.setenv(name, "to be taken back")
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_wait_policy")
def test_idle_threads_sleep() -> None:
    let_idle_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.usefixtures("no_wait_policy")
@pytest.mark.parametrize("name", WAIT_VARIABLES)
def test_a_choice_of_the_user_stays(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1000")
    let_idle_threads_sleep()
    assert {n: os.environ[n] for n in WAIT_VARIABLES if n in os.environ} == {name: "1000"}


def test_mounts_come_from_the_environment_and_empty_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASETS_DIR", "/mnt/datasets")
    monkeypatch.setenv("MODELS_DIR", "")
    settings = Settings()
    assert (settings.datasets_dir, settings.models_dir) == (Path("/mnt/datasets"), None)


def test_limits_and_preemption_are_the_dispatchers_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_policy(Settings()) == Policy()
    for name, value in {"RUNS_PER_USER": 1, "GPUS_PER_USER": 2, "RUNS_PER_PROJECT": 3, "GPUS_PER_PROJECT": 0}.items():
        monkeypatch.setenv(f"UTP_MAX_{name}", str(value))
    monkeypatch.setenv("UTP_PREEMPTION", "1")
    monkeypatch.setenv("UTP_HANG_LIMIT_S", "90")
    limits = Limits(max_runs_per_user=1, max_gpus_per_user=2, max_runs_per_project=3, max_gpus_per_project=0)
    assert read_policy(Settings()) == Policy(limits=limits, may_preempt=True, hang_limit_s=90)
