"""Runs an attempt through Ray Train: in this process for one worker that it holds the resources of, else in workers."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train._internal.base_worker_group import BaseWorkerGroup
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.torch.config import _TorchBackend

from utp.cluster.head_channel import join_ray
from utp.cluster.head_line import Connect
from utp.cluster.job_failures import describe_job_failure
from utp.cluster.job_spec import JobSpec
from utp.cluster.kernel_oom import OomWatch
from utp.cluster.rank_log import redirect_output
from utp.cluster.worker import run_worker
from utp.config.secrets_file import export_secrets
from utp.core.journal import read_json, write_failure
from utp.errors import AttemptTaken
from utp.settings import get_settings

_TRAIN_CONFIG_LOG = logging.getLogger("ray.train.v2.api.config")

OOM_SHOWS_WITHIN_S = 30.0
"""From the kernel's kill of a worker until Ray Train gives its job up."""

COLLECTIVE_TIMEOUT_S = 1800
"""A rank that waits for so long for another gives up; an evaluation's metrics take rank 0 minutes, not hours."""


WORKER_ENV = {
    "TORCH_CPP_LOG_LEVEL": "ERROR",  # DDP warns in C++ of each model that has no unused weights
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # else what a plug-in prints stands in the log twice: Ray Train logs it too
}
"""Of Ray Train's workers, where it can't be set any more once torch is imported."""


class WorkersChoiceBackend(_TorchBackend):
    """Opens NCCL where the workers have CUDA, whatever Ray calls a GPU: a logical one is none."""

    def on_start(self, worker_group: BaseWorkerGroup, backend_config: TorchConfig) -> None:  # type: ignore[override]
        """Ask rank 0, and open the process group."""
        has_cuda = worker_group.execute_single(0, torch.cuda.is_available)
        super().on_start(worker_group, replace(backend_config, backend="nccl" if has_cuda else "gloo"))


@dataclass
class WorkersChoice(TorchConfig):
    """A process group with the backend that fits what the workers find."""

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        """Return who opens it."""
        return WorkersChoiceBackend


def train_here(spec: JobSpec, is_signalled: Callable[[], bool], connect: Connect) -> Mapping[str, Any]:
    """Train in this process, by Ray Train's local mode; return what `result.json` says, whatever happened."""

    def train() -> None:
        run_worker(spec, is_signalled=is_signalled, connect=connect)

    _TRAIN_CONFIG_LOG.setLevel(logging.WARNING)  # it announces the local mode, and asks for reports of issues
    trainer = TorchTrainer(train, scaling_config=ScalingConfig(num_workers=0), run_config=_run_config(spec))
    with contextlib.suppress(Exception):  # the worker has recorded it
        try:
            trainer.fit()
        except AttemptTaken as error:
            return {"outcome": "failed", "kind": str(error.kind), "message": str(error)}  # its files are another's
    return _ended(spec, None)


def train_in_workers(spec: JobSpec, is_signalled: Callable[[], bool]) -> Mapping[str, Any]:
    """Train in `num_workers` processes that Ray places; return what `result.json` says, whatever happened."""
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    join_ray()
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0  # type: ignore[no-untyped-call]
    num_gpus = spec.request.gpus_per_worker if spec.request.gpus_per_worker is not None else int(has_gpus)
    trainer = TorchTrainer(
        _train_in_worker,
        train_loop_config={"spec": spec.to_json(), "directory": str(Path.cwd())},
        scaling_config=ScalingConfig(
            num_workers=spec.request.num_workers,
            use_gpu=num_gpus > 0,
            resources_per_worker=_resources(spec, num_gpus),
        ),
        torch_config=WorkersChoice(timeout_s=COLLECTIVE_TIMEOUT_S),
        run_config=_run_config(spec, WORKER_ENV),
    )
    failure: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except (TrainingFailedError, RayError) as error:  # the latter where Train's own controller died
            failure.append(error)

    # Not in the main thread: there Ray Train would put its own handler of SIGINT, which kills the workers unsaved.
    fitting = threading.Thread(target=fit, name="trainer", daemon=True)
    fitting.start()
    oom = OomWatch()
    while fitting.is_alive():
        fitting.join(0.5)
        oom.look()
        if is_signalled() and not spec.stop_file.exists():
            spec.stop_file.touch()
    return _ended(spec, failure[0] if failure else None, is_oom=oom.has_killed(OOM_SHOWS_WITHIN_S))


def _train_in_worker(data: Mapping[str, Any]) -> None:
    export_secrets(get_settings().secrets_file)
    spec = JobSpec.from_json(data["spec"])
    if Path(data["directory"]).is_dir():  # on the job's machine; relative paths mean there what they mean to the job
        os.chdir(data["directory"])
    number = ray.train.get_context().get_world_rank()
    redirect_output(spec.paths.attempt(spec.attempt).log(number))
    run_worker(spec)


def _resources(spec: JobSpec, num_gpus: int) -> dict[str, float]:
    request = spec.request
    resources: dict[str, float] = {"CPU": request.cpus_per_worker or 1}
    if num_gpus:
        resources["GPU"] = num_gpus
    if request.memory_gb is not None:
        resources["memory"] = request.memory_gb * 1e9
    return resources


def _run_config(spec: JobSpec, worker_env: Mapping[str, str] | None = None) -> RunConfig:
    """Every attempt has a name of its own: Ray Train would silently go on from a snapshot that it finds under it."""
    name = f"{spec.run_id or spec.paths.name}-a{spec.attempt}"
    storage = spec.attempt_dir / "ray_train"
    return RunConfig(  # type: ignore[call-arg]  # a type checker sees the class of Train V1
        name=name,
        storage_path=str(storage),
        failure_config=FailureConfig(max_failures=0),
        worker_runtime_env={"env_vars": dict(worker_env or {})},
    )


def _ended(spec: JobSpec, failure: BaseException | None, *, is_oom: bool = False) -> Mapping[str, Any]:
    """Return the attempt's result; of several workers that failed, the first one's failure is the cause."""
    result = read_json(spec.paths.attempt(spec.attempt).result)
    if not result or result.get("outcome") == "failed":
        result = write_failure(spec.paths, spec.attempt, describe_job_failure(spec, failure, is_oom=is_oom))
        sys.stdout.write(f"failed ({result.get('kind')}): {result.get('message')}\n")
    return result
