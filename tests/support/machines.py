"""Machines and queued runs for the tests of the queue."""

from __future__ import annotations

from collections.abc import Sequence

from utp.cluster.inventory import GpuProcess, GpuState, NodeState
from utp.cluster.queue_order import WaitingRun
from utp.cluster.room import Placement
from utp.config.request import RunRequest

GB = 10**9
MODELS = "NVIDIA A100-SXM4-40GB"


def gpu(index: int, *, foreign: bool = False, quarantined: bool = False, model: str = MODELS) -> GpuState:
    """A GPU of 40 GB, held by somebody else's process on request."""
    processes = (GpuProcess(pid=1, memory_bytes=GB, is_ours=False),) if foreign else ()
    return GpuState(
        index=index,
        uuid=f"GPU-{index}",
        model=model,
        memory_total_bytes=40 * GB,
        memory_used_bytes=GB if foreign else 0,
        processes=processes,
        is_quarantined=quarantined,
    )


def node(
    node_id: str, *, cpus: float = 16, gpus: int | Sequence[GpuState] = 0, taken: Sequence[Placement] = ()
) -> NodeState:
    """A machine of which Ray has given away what the `taken` placements hold."""
    states = tuple(gpu(index) for index in range(gpus)) if isinstance(gpus, int) else tuple(gpus)
    shares = [share for placement in taken for share in placement.shares if share.node_id == node_id]
    return NodeState(
        node_id=node_id,
        hostname=node_id,
        address="127.0.0.1",
        cpus_total=cpus,
        cpus_free=cpus - sum(share.cpus for share in shares),
        num_gpus_free=len(states) - sum(len(share.gpus) for share in shares),
        memory_total_bytes=64 * GB,
        memory_free_bytes=64 * GB,
        gpus=states,
    )


def queued(run_id: str, *, waited_s: float = 0, owner: str = "ann", project_id: str = "default",
           priority: int = 0, backoff_s: float = 0, **request: object) -> WaitingRun:  # fmt: skip
    """A queued run that asks for this; the id serves as its name."""
    return WaitingRun(
        run_id=run_id,
        name=run_id,
        owner=owner,
        project_id=project_id,
        priority=priority,
        seq=round(-1000 * waited_s),
        queued_at=-waited_s,
        not_before=backoff_s,
        request=RunRequest(priority=priority, **request),  # type: ignore[arg-type]
    )
