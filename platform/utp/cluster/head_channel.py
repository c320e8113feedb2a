"""Finds the head's actor and speaks to it through Ray, as a `RunChannel`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

import ray
from ray.exceptions import GetTimeoutError, RayError

from utp.cluster.run_channel import RegisteredRun, RunChannel

HEAD = "utp-head"
NAMESPACE = "utp"
CALL_TIMEOUT_S = 10.0
_RAY_LOG = logging.getLogger("ray._private.worker")


def find_head() -> RunChannel | None:
    """Return a channel to the head of the Ray that this process belongs to; None where no platform runs on it.

    Raises:
        ConnectionError: Ray can't be reached.
    """
    try:
        join_ray()
        return HeadChannel(ray.get_actor(HEAD, namespace=NAMESPACE))
    except ValueError:
        return None  # how Ray says that there is no such actor
    except (RayError, RuntimeError) as error:
        raise ConnectionError(str(error)) from error


def join_ray() -> None:
    """Connect this process to the Ray that it runs on. Raises `RayError`, `RuntimeError`, or `ConnectionError`."""
    if not ray.is_initialized():
        _RAY_LOG.setLevel(logging.ERROR)  # it warns that it sets no handler of SIGTERM, which is ours
        ray.init(address="auto", namespace=NAMESPACE, log_to_driver=False, configure_logging=False)


class HeadChannel:
    """Calls the head's actor; what keeps an answer from coming is a `ConnectionError`."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def register(self, config_json: str, request_json: str, submission_id: str) -> RegisteredRun:
        """Record a job that came by `ray job submit`."""
        return cast("RegisteredRun", self._call("register", config_json, request_json, submission_id))

    def started(self, run_id: str, attempt: int, facts: Mapping[str, Any]) -> bool:
        """Say that training begins."""
        return bool(self._call("started", run_id, attempt, dict(facts)))

    def beat(self, run_id: str, attempt: int, step: int, epoch: int, phase: str) -> str | None:
        """Say that it is alive; return what is wished."""
        return cast("str | None", self._call("beat", run_id, attempt, step, epoch, phase))

    def take(self, run_id: str, attempt: int, stream: str, offset: int, data: bytes) -> int | None:
        """Bring a piece of a file; return the offset to go on from."""
        return cast("int | None", self._call("take", run_id, attempt, stream, offset, data))

    def ended(self, run_id: str, attempt: int, result: Mapping[str, Any]) -> None:
        """Say how the attempt ended."""
        self._call("ended", run_id, attempt, dict(result))

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return ray.get(getattr(self._actor, method).remote(*arguments), timeout=CALL_TIMEOUT_S)
        except (RayError, GetTimeoutError) as error:
            raise ConnectionError(f"{type(error).__name__} in {method}") from error
