"""Who a job is that nobody queued: recorded by the platform where there is one, else a run of its own files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import ray

from utp.cluster.head_channel import find_head
from utp.cluster.job_spec import JobSpec
from utp.config.naming import reserve_run
from utp.config.paths import RunPaths
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import Settings


def register_job(
    config: TrainConfig, request: RunRequest, submission_id: str, settings: Settings, note: Callable[[str], None]
) -> JobSpec:
    """Return who this job is."""
    try:
        head, reason = find_head(), "no UTP platform runs on this Ray"
    except ConnectionError as error:
        head, reason = None, f"no Ray can be reached ({error})"
    if head is None:
        paths = reserve_run(config, settings)
        spec = JobSpec(config, request, paths, 1, None)
        note(f"{reason}: the run is recorded in its files only, in {paths.run_dir}")
    else:
        texts = spec_texts(config, request)
        run = head.register(*texts, submission_id or f"pid-{os.getpid()}-{ray.get_runtime_context().get_job_id()}")
        paths = RunPaths(Path(run["run_dir"]), Path(run["checkpoint_dir"]))
        spec = JobSpec(config, request, paths, run["attempt"], run["run_id"])
    return spec.prepared()


def spec_texts(config: TrainConfig, request: RunRequest) -> tuple[str, str]:
    """Return config and request as JSON."""
    content = JobSpec(config, request, RunPaths(Path(), Path()), 1, None).to_json()
    return json.dumps(content["config"]), json.dumps(content["request"])
