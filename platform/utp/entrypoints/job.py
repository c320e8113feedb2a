"""`python -m utp.entrypoints.job`: one attempt of a run as a Ray job. Imports neither torch nor Ray Train by itself.

The dispatcher names run and attempt; with `--config-json` alone (`ray job submit`) the job registers itself.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utp.cluster.job_spec import EXIT_STORAGE, JobSpec, read_config_json, read_request_json
from utp.cluster.warm_client import train_warm
from utp.config.paths import RunPaths
from utp.config.secrets_file import export_secrets
from utp.config.submission import check_shares
from utp.core.journal import read_json, write_failure
from utp.entrypoints.stop_signal import StopSignal
from utp.errors import FailureKind, UtpError
from utp.settings import get_settings, let_idle_threads_sleep, ray_submission_id

EXIT_CODES = {"succeeded": 0, "stopped": 130, "paused": 130, "preempted": 130}
EXIT_FAILED = 1
EXIT_REFUSED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, and return the exit code; how the attempt ended stands in its `result.json`."""
    let_idle_threads_sleep()
    options = _parse(arguments)
    try:
        export_secrets(get_settings().secrets_file)
        spec = _identify(options)
    except UtpError as error:
        _refuse(options, error)
        return EXIT_REFUSED
    except OSError:  # of the run's folder, where nothing can be left then
        traceback.print_exc()
        return EXIT_STORAGE
    try:
        return _train(spec, options.run_id)
    except Exception as error:  # noqa: BLE001  the edge of the process
        traceback.print_exc()
        if not read_json(spec.paths.attempt(spec.attempt).result):
            _leave_failure(spec.paths, spec.attempt, error, traceback="".join(traceback.format_exception(error)))
        return EXIT_FAILED


def exit_code(result: Mapping[str, Any]) -> int:
    """Return the exit code of an attempt that ended so."""
    return EXIT_CODES.get(result.get("outcome", "failed"), EXIT_FAILED)


def note(sentence: str) -> None:
    """Write a line to the job's log."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m utp.entrypoints.job", description=__doc__)
    parser.add_argument("--config-json", required=True, help="The TrainConfig as JSON.")
    parser.add_argument("--request-json", default="{}", help="The RunRequest as JSON: workers, GPUs, priority.")
    parser.add_argument("--run-id", help="Of a run that was queued; with the three below.")
    parser.add_argument("--attempt", type=int)
    parser.add_argument("--run-dir", type=Path)
    parser.add_argument("--checkpoint-dir", type=Path)
    options = parser.parse_args(arguments)
    given = [options.run_id, options.attempt, options.run_dir, options.checkpoint_dir]
    if any(value is None for value in given) and any(value is not None for value in given):
        parser.error("--run-id, --attempt, --run-dir and --checkpoint-dir belong together: give all or none")
    return options


def _identify(options: argparse.Namespace) -> JobSpec:
    config, request = read_config_json(options.config_json), read_request_json(options.request_json)
    check_shares(config, request)
    if options.run_id is None:  # here and below: what imports Ray waits until it is known to be needed
        from utp.cluster.registration import register_job  # noqa: PLC0415

        return register_job(config, request, ray_submission_id(), get_settings(), note)
    paths = RunPaths(options.run_dir, options.checkpoint_dir)
    return JobSpec(config, request, paths, options.attempt, options.run_id).prepared()


def _train(spec: JobSpec, run_id: str | None) -> int:
    with StopSignal(lambda: note("saving, then stopping; a second signal stops at once")) as stop:
        if not _trains_here(spec, run_id):
            result = _train_in_workers(spec, stop)
        elif (warm := train_warm(spec, get_settings(), note)) is not None:
            return warm
        else:
            result = _train_here(spec, stop)
    return exit_code(result)


def _refuse(options: argparse.Namespace, error: UtpError) -> None:
    """Say why nothing is trained; of a run that was queued, where its owner looks."""
    note(f"refused: {error}")
    if options.run_id is not None:
        _leave_failure(RunPaths(options.run_dir, options.checkpoint_dir), options.attempt, error)


def _leave_failure(paths: RunPaths, attempt: int, error: Exception, **more: str) -> None:
    kind, message = FailureKind.INTERNAL, f"{type(error).__name__}: {error}"
    if isinstance(error, UtpError):
        kind, message = error.kind, str(error)
    write_failure(paths, attempt, {"outcome": "failed", "kind": kind, "message": message, **more})


def _trains_here(spec: JobSpec, run_id: str | None) -> bool:
    """Whether the job's own process trains: it is the one worker, and holds what that one needs."""
    if spec.request.num_workers > 1:
        return False
    if run_id is not None or spec.request.gpus_per_worker == 0 or spec.config.device == "cpu":
        return True  # the dispatcher has the job hold its GPU
    import ray  # noqa: PLC0415

    return not ray.is_initialized() or not ray.cluster_resources().get("GPU", 0)  # type: ignore[no-untyped-call]


def _train_here(spec: JobSpec, stop: StopSignal) -> Mapping[str, Any]:
    from utp.cluster.local_training import train_in_this_process  # noqa: PLC0415

    return train_in_this_process(spec, stop.is_set)


def _train_in_workers(spec: JobSpec, stop: StopSignal) -> Mapping[str, Any]:
    from utp.cluster.trainer import train_in_workers  # noqa: PLC0415

    return train_in_workers(spec, stop.is_set)


if __name__ == "__main__":
    sys.exit(main())
