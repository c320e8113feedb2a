"""Why a run waits, as a sentence for its owner."""

from __future__ import annotations

from utp.cluster.demand import Demand, say_count
from utp.cluster.queue_order import WaitingRun
from utp.cluster.room import Room


def explain_wait(row: WaitingRun, demand: Demand, free: Room, first: WaitingRun | None, *, is_making_room: bool) -> str:
    """Return why a run does not start.

    Args:
        row: the run.
        demand: what it comes to here.
        free: what is free now.
        first: the run that holds the reservation; none where absent machines or other people hold what is missing.
        is_making_room: whether runs of lower priority were asked to leave for the first one.
    """
    waits, num_free = f"waits for {_need(demand)}", _num_free(demand, free)
    has = f"{num_free or 'none'} {'is' if num_free <= 1 else 'are'} free"
    if first is None:
        return f"{waits}: {has}, and the rest is held by other people's processes, in quarantine or away"
    if first.run_id == row.run_id:
        kept = ", kept for it" if num_free else ""
        return f"{waits}: {has}{kept}{'; runs of lower priority make room for it' if is_making_room else ''}"
    relation = " of higher priority" if first.priority > row.priority else ""
    kept = " and kept for that one" if num_free else ""
    # Who sees this run may not see the project of the other.
    named = f"run {first.name}" if first.project_id == row.project_id else "a run of another project"
    return f"{waits}, behind {named}{relation}: {has}{kept}"


def _need(demand: Demand) -> str:
    """`4 GPUs`, `2 workers of 4 GPUs each`, `1 core`; fewest workers where the run is elastic."""
    per_worker = say_count(demand.gpus, "GPU") if demand.gpus else say_count(demand.cpus, "core")
    if demand.gpus and demand.gpu_model:
        per_worker += f" ({demand.gpu_model})"
    if demand.min_workers == 1:
        return per_worker
    return f"{demand.min_workers} workers of {per_worker} each"


def _num_free(demand: Demand, free: Room) -> int:
    """GPUs that its workers could use, or cores, one by one."""
    if demand.gpus:
        return sum(demand.accepts(gpu) for node in free.nodes.values() for gpu in node.gpus)
    return sum(max(0, int(node.cpus + 1e-9)) for node in free.nodes.values())
