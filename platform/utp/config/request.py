"""`RunRequest`: what a run asks of the cluster. It stands beside the `TrainConfig`, which says nothing of machines."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from utp.config.train import STRICT, PositiveInt

PRIORITIES = (-100, 100)
"""Lowest and highest priority that a person may give."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RunRequest:
    """Workers, what each of them needs, and how urgent the run is."""

    num_workers: PositiveInt = 1
    """Worker processes that train one model together; `batch_size` has to be a multiple of their number."""

    min_workers: PositiveInt | None = None
    """Elastic: start with as few as these when not all are free, and go on with what is left; none: all or nothing.
    Shares of a batch then differ by one image where they have to."""

    gpus_per_worker: Annotated[int, Field(ge=0)] | None = None
    """GPUs of each worker; none means one where the cluster has GPUs, and the CPU where it has none."""

    cpus_per_worker: PositiveInt | None = None
    """CPU cores of each worker; none means what its data loader processes and the training thread use, if there."""

    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Memory of each worker in GB (10^9 bytes); none means whatever is there."""

    gpu_model: str | None = None
    """Only GPUs whose name contains this, such as `A100`; none means any."""

    min_gpu_memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Only GPUs with at least this much memory in GB; none means any."""

    max_nodes: PositiveInt | None = None
    """Machines the workers may be spread over; none means any number, and 1 keeps them together."""

    priority: Annotated[int, Field(ge=PRIORITIES[0], le=PRIORITIES[1])] = 0
    """Runs of higher priority start first; among equals, the user who uses least, then the oldest."""

    max_run_time_s: Annotated[float, Field(gt=0)] | None = None
    """Seconds of training, all attempts together, after which the run is saved and stopped; none means no limit."""

    @field_validator("min_workers")
    @classmethod
    def _is_no_more_than_all(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value > info.data.get("num_workers", value):
            raise ValueError(f"is above num_workers ({info.data['num_workers']}); lower it, or leave it out")
        return value

    @field_validator("gpu_model", "min_gpu_memory_gb")
    @classmethod
    def _needs_gpus(cls, value: str | float | None, info: ValidationInfo) -> str | float | None:
        if value is not None and info.data.get("gpus_per_worker") == 0:
            raise ValueError("has no effect with gpus_per_worker 0; leave one of them out")
        return value
