"""The platform's actors: the plain classes of this package, made actors here and nowhere else.

Each is detached, restarted for ever, and rebuilt from the store, the files and Ray's own lists. A call may reach one
twice (`max_task_retries=-1`): all methods are idempotent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from utp.cluster.attempt_result import record_result
from utp.cluster.dispatcher import PERIOD_S, Dispatcher
from utp.cluster.gpu_registry import GpuRegistry
from utp.cluster.head import Head
from utp.cluster.head_channel import HEAD, NAMESPACE
from utp.cluster.inventory import NodeState
from utp.cluster.job_client import ClusterUnreachable, RayJobClient
from utp.cluster.leadership import Leadership
from utp.cluster.limits import Policy, read_policy
from utp.cluster.node_probe import NodeProbe
from utp.cluster.nvidia_gpus import find_gpus
from utp.cluster.ray_job import job_env
from utp.cluster.ray_nodes import list_ray_nodes
from utp.cluster.shutdown import is_closing
from utp.cluster.store_inventory import StoreInventory
from utp.cluster.warm_keeper import WarmKeeper
from utp.settings import Settings, get_settings
from utp.store.database import open_database
from utp.store.engines import database_url
from utp.store.errors import StoreError
from utp.store.recorder import Recorder
from utp.store.repositories.run_queue import ActiveRow, QueueRepository

GPU_REGISTRY, DISPATCHER = "utp-gpu-registry", "utp-dispatcher"
SHARED_PLACES = ("UTP_HOME", "DATASETS_DIR", "SHARED_LOGS_DIR", "MODELS_DIR")
PROBE_EVERY_S = 5.0
REGISTRY_EVERY_S = 2.0
CALL_TIMEOUT_S = 10.0
HEARING_TIMEOUT_S = 5.0

_log = logging.getLogger(__name__)


class HeadActor(Head):
    """What workers speak to; `head_channel` is the other end."""

    def __init__(self) -> None:
        settings = get_settings()
        super().__init__(open_database(settings), settings)
        _repeat(self.step, 1.0)

    def ping(self) -> bool:
        """Answer, once it is up."""
        return True

    def places(self) -> Mapping[str, str]:
        """Return `places_of` what this process has in its environment."""
        return places_of(get_settings())


class ProbeActor:
    """Measures its node, and tells the registry; has a warm server run there where `warm_home` names a folder."""

    def __init__(self, node_id: str, hostname: str, num_logical_gpus: int, warm_home: Path | None) -> None:
        gpus = find_gpus(hostname, num_logical_gpus)
        self._probe = NodeProbe(node_id, gpus, Path("/tmp"))  # noqa: S108  where Ray keeps its files
        _repeat(self._report, PROBE_EVERY_S)
        if warm_home is not None:
            _repeat(WarmKeeper(warm_home).step, PROBE_EVERY_S)

    def _report(self) -> None:
        _ask_registry("report", self._probe.sample())


class GpuRegistryActor(GpuRegistry):
    """The registry, which also sees to it that each node has a probe."""

    def __init__(self) -> None:
        settings = get_settings()
        super().__init__(list_ray_nodes, StoreInventory(open_database(settings)))
        self._warm_home = settings.home if settings.warm_start else None
        self._probes: dict[str, Any] = {}
        _repeat(self._look, REGISTRY_EVERY_S)

    def ping(self) -> bool:
        """Answer, once it is up."""
        return True

    def _look(self) -> None:
        self.step()
        nodes = {node.node_id: node for node in list_ray_nodes() if node.is_alive}
        self._probes = {node_id: probe for node_id, probe in self._probes.items() if node_id in nodes}
        for node_id, node in nodes.items():
            if node_id not in self._probes:
                options = {**_options(f"utp-probe-{node_id}", node_id), "lifetime": None}
                num_gpus = int(node.resources.get("GPU", 0))
                self._probes[node_id] = (
                    ray.remote(ProbeActor).options(**options).remote(node_id, node.hostname, num_gpus, self._warm_home)
                )


class DispatcherActor:
    """Runs the dispatcher while this process leads."""

    def __init__(self, dashboard: str, policy: Policy) -> None:
        settings = get_settings()
        database = open_database(settings)
        recorder = Recorder(database)

        def take_result(row: ActiveRow, result: Mapping[str, Any]) -> None:
            _tell_head(row, result)
            record_result(recorder, row.run_id, row.attempt, result)

        self._home = settings.home
        self._leadership = Leadership(database)
        self._dispatcher = Dispatcher(
            QueueRepository(database),
            recorder,
            RayJobClient(dashboard),
            RegistryInventory(),
            take_result,
            env=job_env(settings),
            policy=policy,
            is_head_there=is_head_there,
        )
        _repeat(self._step, PERIOD_S)

    def ping(self) -> bool:
        """Answer, once it is up."""
        return True

    def _step(self) -> None:
        if self._leadership.is_held():
            self._dispatcher.set_admission(is_open=not is_closing(self._home))
            self._dispatcher.step()


class RegistryInventory:
    """The registry's machines, asked through Ray."""

    def nodes(self) -> Sequence[NodeState]:
        """Return all machines known. Raises `ClusterUnreachable`."""
        return cast("Sequence[NodeState]", _ask_registry("nodes"))


def start_actors(dashboard: str, *, timeout_s: float = 120.0) -> None:
    """Start the actors that are not there yet, on the head's node, and wait until they answer. Ray is connected.

    The dispatcher keeps what the settings decide now until it is ended.
    """
    head_id = next(node.node_id for node in list_ray_nodes() if node.is_head)
    actors: list[Any] = [
        ray.remote(HeadActor).options(**_options(HEAD, head_id), max_concurrency=32).remote(),
        ray.remote(GpuRegistryActor).options(**_options(GPU_REGISTRY, head_id), max_concurrency=8).remote(),
        ray.remote(DispatcherActor)
        .options(**_options(DISPATCHER, head_id), max_concurrency=2)
        .remote(dashboard, read_policy(get_settings())),
    ]
    ray.get([actor.ping.remote() for actor in actors], timeout=timeout_s)


def has_actors() -> bool:
    """Whether a platform is there, ours or another. Ray is connected."""
    return HEAD in ray.util.list_named_actors()


def ask_places() -> Mapping[str, str]:
    """Return `places_of` the platform that is there. Ray is connected."""
    head = ray.get_actor(HEAD, namespace=NAMESPACE)
    return cast("Mapping[str, str]", ray.get(head.places.remote(), timeout=CALL_TIMEOUT_S))


def places_of(settings: Settings) -> Mapping[str, str]:
    """Return, by variable, what all processes of one platform have to agree on; no password among it."""
    env = job_env(settings)
    paths = {name: str(Path(env[name]).absolute()) if name in env else "" for name in SHARED_PLACES}
    return {**paths, "UTP_DATABASE_URL": database_url(settings).render_as_string(hide_password=True)}


def end_actors() -> None:
    """End the platform's actors for good. Ray is connected."""
    for name in ray.util.list_named_actors():  # of our namespace; a probe ends with the registry that owns it
        try:
            ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)
        except ValueError:
            continue  # it has ended by itself


def _options(name: str, node_id: str) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": 0,
        "max_restarts": -1,
        "max_task_retries": -1,
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node_id, soft=False),
    }


def _ask_registry(method: str, *arguments: Any) -> Any:
    """Call the registry's actor. Raises `ClusterUnreachable`."""
    try:
        registry = ray.get_actor(GPU_REGISTRY, namespace=NAMESPACE)
        return ray.get(getattr(registry, method).remote(*arguments), timeout=CALL_TIMEOUT_S)
    except (ray.exceptions.RayError, ValueError) as error:
        raise ClusterUnreachable(GPU_REGISTRY, str(error)) from error


def is_head_there() -> bool:
    """Whether the head's actor answers: while it is restarted or hangs, no worker can be heard."""
    try:
        head = ray.get_actor(HEAD, namespace=NAMESPACE)
        return bool(ray.get(head.ping.remote(), timeout=HEARING_TIMEOUT_S))
    except (ray.exceptions.RayError, ValueError):
        return False


def _tell_head(row: ActiveRow, result: Mapping[str, Any]) -> None:
    """Have the files of the attempt taken in before its run is shown as ended.

    Without the head that comes later: Ray gives it the call once it is back. Raises `StoreError`: to be said again.
    """
    try:
        head = ray.get_actor(HEAD, namespace=NAMESPACE)
        ray.get(head.ended.remote(row.run_id, row.attempt, dict(result)), timeout=CALL_TIMEOUT_S)
    except StoreError:  # Ray raises what the head did as an error of both kinds
        raise
    except (ray.exceptions.RayError, ValueError) as error:
        _log.warning("run %s: its last files are taken later: %s", row.run_id, error)


def _repeat(step: Callable[[], None], period_s: float) -> None:
    """Call `step` for ever, in a thread; the edge of the actor's process, which outlives every fault of a step."""

    def loop() -> None:
        while True:
            try:
                step()
            except (ClusterUnreachable, StoreError, OSError) as error:
                _log.warning("%s", error)
            except Exception:  # noqa: BLE001
                _log.exception("a step of %r failed", step)
            time.sleep(period_s)

    threading.Thread(target=loop, daemon=True).start()
