"""From a submission of the store to the job that Ray is given."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from pydantic import TypeAdapter

from utp.cluster.inventory import NodeState
from utp.cluster.job_client import RayJob
from utp.cluster.room import Placement
from utp.config.request import RunRequest
from utp.settings import Settings
from utp.store.recorder.attempts import Submission

JOB_ENV: Mapping[str, str] = {
    "RAY_DEDUP_LOGS": "0",  # by default a line that several workers print is shown once
    "PYTHONUNBUFFERED": "1",
    "RAY_JOB_STOP_SIGNAL": "SIGINT",
    "RAY_JOB_STOP_WAIT_TIME_S": "60",  # by default SIGKILL follows after 3 s
}

_REQUEST = TypeAdapter(RunRequest)


def build_job(
    submission: Submission, placement: Placement | None, nodes: Sequence[NodeState], env: Mapping[str, str]
) -> RayJob:
    """Return the job of an attempt.

    A single worker trains in the job's own process, which then holds its resources on the machine that was chosen.
    Several are placed by the driver, which needs nothing itself.
    """
    request = parse_request(submission.request)
    if placement is not None:
        request = replace(request, num_workers=placement.num_workers)  # elastic: as many as there is room for
    words = [
        *("python", "-m", "utp.entrypoints.job", "--run-id", submission.run_id, "--attempt", str(submission.attempt)),
        *("--config-json", submission.config_json, "--request-json", _REQUEST.dump_json(request).decode()),
        *("--run-dir", submission.run_dir, "--checkpoint-dir", submission.checkpoint_dir),
    ]
    job = RayJob(submission_id=submission.submission_id, entrypoint=f"exec {shlex.join(words)}", env=env)
    if placement is None or placement.num_workers > 1:
        return job
    (share,) = placement.shares
    return replace(
        job,
        entrypoint=f"{_choose_gpus(share.node_id, share.gpus, nodes)}{job.entrypoint}",
        num_cpus=share.cpus,
        num_gpus=len(share.gpus),
        memory_bytes=share.memory_bytes,
        node_id=share.node_id,
    )


def job_env(settings: Settings) -> dict[str, str]:
    """Return the environment of every job: Ray's settings, and the mounts as this process has them."""
    mounts = {
        "DATASETS_DIR": settings.datasets_dir,
        "SHARED_LOGS_DIR": settings.shared_logs_dir,
        "MODELS_DIR": settings.models_dir,
        "UTP_CACHE_DIR": settings.cache_dir,
        "UTP_HOME": settings.home,
        "UTP_SECRETS_FILE": settings.secrets_file,  # its path: each process reads it by itself
    }
    paths = {name: str(path) for name, path in mounts.items() if path is not None}
    values = {"UTP_WARM_START": int(settings.warm_start), "UTP_MAX_LOG_BYTES": settings.max_log_bytes}
    return {**JOB_ENV, **paths, **{name: str(value) for name, value in values.items()}}


def parse_request(content: Mapping[str, object]) -> RunRequest:
    """Return the request that the store keeps as JSON; equal ones are one object, parsed once."""
    return parse_request_json(json.dumps(dict(content), sort_keys=True))


@lru_cache(maxsize=4096)
def parse_request_json(text: str) -> RunRequest:
    """Return the request of this text; the same object for the same text."""
    return _REQUEST.validate_json(text)


def _choose_gpus(node_id: str, gpus: Sequence[int], nodes: Sequence[NodeState]) -> str:
    """Name the GPUs in the shell, over what Ray set: it counts GPUs, and may pick one that others are using.

    By UUID, since CUDA and the driver need not count alike.
    """
    node = next((node for node in nodes if node.node_id == node_id), None)
    chosen = [gpu for gpu in (node.gpus if node else ()) if gpu.index in gpus]
    if not chosen or any(gpu.is_logical for gpu in chosen):
        return ""
    return f"export CUDA_VISIBLE_DEVICES={shlex.quote(','.join(gpu.uuid for gpu in chosen))}; "
