"""Trains in the job's own process, with its output in the rank's log and, as it comes, in the job's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from utp.cluster.head_channel import find_head
from utp.cluster.job_spec import JobSpec
from utp.cluster.rank_log import LogEcho, redirect_output
from utp.cluster.trainer import train_here


def train_in_this_process(spec: JobSpec, is_signalled: Callable[[], bool]) -> Mapping[str, Any]:
    """Return what `result.json` says."""
    log = spec.paths.attempt(spec.attempt).log(rank=0)
    stdout, stderr = os.dup(1), os.dup(2)
    echo = LogEcho(log, redirect_output(log))
    echo.start()
    try:
        return train_here(spec, is_signalled, find_head)
    finally:
        echo.close()
        for saved, descriptor in ((stdout, 1), (stderr, 2)):
            os.dup2(saved, descriptor)
