"""Machines and queued runs for the tests of the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from utp.cluster.inventory import GpuProcess, GpuState, NodeState
from utp.cluster.room import Placement
from utp.config.request import RunRequest

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
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


@dataclass(frozen=True)
class Queued:
    """A queued run, as admission reads it."""

    run_id: str
    owner: str = "ann"
    project_id: str = "default"
    priority: int = 0
    queued_at: datetime = NOW
    not_before: datetime | None = None
    request: RunRequest = field(default_factory=RunRequest)

    @property
    def name(self) -> str:
        """The id serves as its name."""
        return self.run_id


def queued(run_id: str, *, waited_s: float = 0, owner: str = "ann", project_id: str = "default",
           priority: int = 0, not_before: datetime | None = None, **request: object) -> Queued:  # fmt: skip
    """A queued run that asks for this."""
    return Queued(
        run_id=run_id,
        owner=owner,
        project_id=project_id,
        priority=priority,
        queued_at=NOW - timedelta(seconds=waited_s),
        not_before=not_before,
        request=RunRequest(priority=priority, **request),  # type: ignore[arg-type]
    )
