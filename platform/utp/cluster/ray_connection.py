"""A connection of a command to Ray, for as long as it needs one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from utp.cluster.head_channel import NAMESPACE
from utp.cluster.job_client import ClusterUnreachable


@contextmanager
def connected(address: str) -> Iterator[str]:
    """Connect this process to Ray for a while; gives the address of the dashboard. Raises `ClusterUnreachable`."""
    try:
        context = ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        raise ClusterUnreachable(address, str(error)) from error
    try:
        yield f"http://{context.dashboard_url}"
    finally:
        ray.shutdown()
