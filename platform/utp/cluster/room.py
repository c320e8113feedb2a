"""What is free on the machines, and where a demand would go. Pure: a room is taken from and given back to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from utp.cluster.demand import Demand
from utp.cluster.inventory import GpuState, NodeState, free_gpus, usable_gpus


@dataclass(frozen=True, slots=True)
class Share:
    """What a run holds of one machine."""

    node_id: str
    num_workers: int
    cpus: float
    """Of all its workers there."""
    memory_bytes: int
    gpus: tuple[int, ...]
    """Indices, ascending."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the workers of a run are."""

    shares: tuple[Share, ...]

    @property
    def num_workers(self) -> int:
        """Workers on all machines together."""
        return sum(share.num_workers for share in self.shares)

    @property
    def num_gpus(self) -> int:
        """GPUs on all machines together."""
        return sum(len(share.gpus) for share in self.shares)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the store keeps."""
        return {
            "shares": [
                {
                    "node_id": share.node_id,
                    "num_workers": share.num_workers,
                    "cpus": share.cpus,
                    "memory_bytes": share.memory_bytes,
                    "gpus": list(share.gpus),
                }
                for share in self.shares
            ]
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | None) -> Self | None:
        """Return the placement of an attempt's row; none where it was placed by Ray alone."""
        if not content or "shares" not in content:
            return None
        return cls(tuple(Share(**{**share, "gpus": tuple(share["gpus"])}) for share in content["shares"]))


@dataclass(slots=True)
class NodeRoom:
    """What is left of one machine."""

    node_id: str
    cpus: float
    memory_bytes: int
    gpus: tuple[GpuState, ...]

    def fit(self, demand: Demand) -> int:
        """Return how many workers of the demand go here."""
        most = int((self.cpus + 1e-9) // demand.cpus)
        if demand.gpus:
            most = min(most, sum(map(demand.accepts, self.gpus)) // demand.gpus)
        if demand.memory_bytes:
            most = min(most, self.memory_bytes // demand.memory_bytes)
        return max(0, most)

    def share(self, demand: Demand, num_workers: int, preferred: frozenset[int] = frozenset()) -> Share:
        """Return the share of so many workers, on the preferred GPUs first."""
        fitting = sorted((gpu.index for gpu in self.gpus if demand.accepts(gpu)), key=lambda i: (i not in preferred, i))
        gpus = tuple(sorted(fitting[: num_workers * demand.gpus]))
        return Share(self.node_id, num_workers, num_workers * demand.cpus, num_workers * demand.memory_bytes, gpus)


class Room:
    """What is left of all machines, by machine."""

    def __init__(self, nodes: Iterable[NodeRoom]) -> None:
        self.nodes = {node.node_id: node for node in nodes}

    def copy(self) -> Room:
        """Return a room that can be taken from apart from this one."""
        return Room(NodeRoom(node.node_id, node.cpus, node.memory_bytes, node.gpus) for node in self.nodes.values())

    def take(self, placement: Placement) -> None:
        """Take what the placement holds; machines that are gone are left out."""
        for share in placement.shares:
            if node := self.nodes.get(share.node_id):
                node.cpus -= share.cpus
                node.memory_bytes -= share.memory_bytes
                node.gpus = tuple(gpu for gpu in node.gpus if gpu.index not in share.gpus)

    def take_at_most(self, placement: Placement) -> None:
        """Take what the placement names as far as it is there."""
        for share in placement.shares:
            if node := self.nodes.get(share.node_id):
                node.cpus -= min(node.cpus, share.cpus)
                node.memory_bytes -= min(node.memory_bytes, share.memory_bytes)
                node.gpus = tuple(gpu for gpu in node.gpus if gpu.index not in share.gpus)

    def give_back(self, placement: Placement, everything: Room) -> None:
        """Return what the placement holds, as far as `everything`, the room with no run in it, has it."""
        for share in placement.shares:
            node, whole = self.nodes.get(share.node_id), everything.nodes.get(share.node_id)
            if node and whole:
                node.cpus += share.cpus
                node.memory_bytes += share.memory_bytes
                held = {gpu.index for gpu in node.gpus} | set(share.gpus)
                node.gpus = tuple(gpu for gpu in whole.gpus if gpu.index in held)

    def within(self, other: Room) -> Room:
        """Return what is left in both rooms."""
        nodes = []
        for node_id, node in self.nodes.items():
            if (twin := other.nodes.get(node_id)) is not None:
                indices = {gpu.index for gpu in twin.gpus}
                gpus = tuple(gpu for gpu in node.gpus if gpu.index in indices)
                cpus, memory = min(node.cpus, twin.cpus), min(node.memory_bytes, twin.memory_bytes)
                nodes.append(NodeRoom(node_id, cpus, memory, gpus))
        return Room(nodes)

    def place(self, demand: Demand) -> Placement | None:
        """Return where the demand goes: on the fullest machine that holds it all, else on as few as can be."""
        fits = [(node.fit(demand), node) for node in self.nodes.values()]
        fits = [(fit, node) for fit, node in fits if fit]
        whole = [node for fit, node in fits if fit >= demand.num_workers]
        if whole:
            tightest = min(whole, key=lambda node: (len(node.gpus), node.cpus, node.node_id))
            return Placement((tightest.share(demand, demand.num_workers),))
        fits.sort(key=lambda item: (-item[0], item[1].node_id))
        return _spread(demand, fits)

    def place_beside(self, demand: Demand, free: Room) -> Placement | None:
        """Return where the demand goes if all of this room is to be free one day, on what is free already first."""
        fits = [(node.fit(demand), node) for node in self.nodes.values()]
        free_now = {node_id: node.fit(demand) for node_id, node in free.nodes.items()}
        by_free = sorted(
            fits, key=lambda item: (-min(free_now.get(item[1].node_id, 0), item[0]), -item[0], item[1].node_id)
        )
        preferred = {node_id: frozenset(gpu.index for gpu in node.gpus) for node_id, node in free.nodes.items()}
        if demand.max_nodes is not None:  # few machines: only those that can hold their part of it
            part = -(-demand.min_workers // demand.max_nodes)
            by_free = [item for item in by_free if item[0] >= part] or by_free
        by_size = sorted(fits, key=lambda item: (-item[0], item[1].node_id))
        return _spread(demand, by_free, preferred) or _spread(demand, by_size, preferred)


def free_room(nodes: Sequence[NodeState], starting: Sequence[Placement], running: Sequence[Placement]) -> Room:
    """Return what can be given away now.

    Neither Ray's count nor ours is enough alone: Ray doesn't know of jobs that have not yet come to it, and the store
    not of what others run on this Ray, or of a process that outlived its run.
    """
    by_store = whole_room(nodes)
    by_ray = Room(NodeRoom(node.node_id, node.cpus_free, 1 << 62, ()) for node in nodes if _is_offered(node))
    for placement in (*starting, *running):
        by_store.take(placement)
    for placement in starting:
        by_ray.take(placement)
    for node in nodes:
        if room := by_store.nodes.get(node.node_id):
            room.cpus = min(room.cpus, by_ray.nodes[node.node_id].cpus)
            room.gpus = _really_free(node, room.gpus, starting)
    return by_store


def whole_room(nodes: Sequence[NodeState]) -> Room:
    """Return what there would be with no run of ours: all but other people's GPUs and those in quarantine."""
    return Room(
        NodeRoom(node.node_id, node.cpus_total, node.memory_total_bytes, usable_gpus(node))
        for node in nodes
        if _is_offered(node)
    )


def _really_free(
    node: NodeState, candidates: Sequence[GpuState], starting: Sequence[Placement]
) -> tuple[GpuState, ...]:
    """Drop GPUs with a process on them, and as many as Ray has given to others."""
    free = {gpu.index for gpu in free_gpus(node)}
    on_their_way = sum(len(share.gpus) for one in starting for share in one.shares if share.node_id == node.node_id)
    count = max(0, int(node.num_gpus_free) - on_their_way)
    return tuple(gpu for gpu in candidates if gpu.index in free)[:count]


def _is_offered(node: NodeState) -> bool:
    return node.is_alive and not node.is_draining


def _spread(
    demand: Demand, fits: Sequence[tuple[int, NodeRoom]], preferred: Mapping[str, frozenset[int]] | None = None
) -> Placement | None:
    """Fill the machines in this order; none where not even the fewest workers asked for go in."""
    shares: list[Share] = []
    missing = demand.num_workers
    for fit, node in fits[: demand.max_nodes]:
        num_workers = min(fit, missing)
        if num_workers:
            shares.append(node.share(demand, num_workers, (preferred or {}).get(node.node_id, frozenset())))
            missing -= num_workers
    return Placement(tuple(shares)) if demand.num_workers - missing >= demand.min_workers else None
