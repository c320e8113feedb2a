"""What a request comes to on these machines: so many workers, each with so much of one machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from utp.cluster.inventory import GpuState, NodeState
from utp.config.request import RunRequest

GB = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A request with its defaults filled in. Hashable: admission remembers which demands did not fit."""

    num_workers: int
    min_workers: int
    gpus: int
    """Of each worker."""
    cpus: float
    """Of each worker."""
    memory_bytes: int
    """Of each worker; 0 where the request names none."""
    gpu_model: str | None
    min_gpu_memory_bytes: int
    max_nodes: int | None

    @property
    def total_gpus(self) -> int:
        """GPUs of all workers together."""
        return self.num_workers * self.gpus

    def accepts(self, gpu: GpuState) -> bool:
        """Whether a worker of this demand may use the GPU; a logical one has no memory to look at."""
        if self.gpu_model is not None and self.gpu_model.lower() not in gpu.model.lower():
            return False
        return gpu.memory_total_bytes is None or gpu.memory_total_bytes >= self.min_gpu_memory_bytes


def resolve_demand(request: RunRequest, *, has_gpus: bool) -> Demand:
    """Return what the request comes to in a cluster that has GPUs, or has none.

    A worker that names no CPUs counts as one core: what its loader processes use beyond that is not reserved.
    """
    gpus = request.gpus_per_worker
    return Demand(
        num_workers=request.num_workers,
        min_workers=request.min_workers or request.num_workers,
        gpus=int(has_gpus) if gpus is None else gpus,
        cpus=request.cpus_per_worker or 1.0,
        memory_bytes=round((request.memory_gb or 0) * GB),
        gpu_model=request.gpu_model,
        min_gpu_memory_bytes=round((request.min_gpu_memory_gb or 0) * GB),
        max_nodes=request.max_nodes,
    )


def has_gpus(nodes: Sequence[NodeState]) -> bool:
    """Whether any machine has a GPU, be it in use, in quarantine or away."""
    return any(node.gpus for node in nodes)


def explain_unsatisfiable(request: RunRequest, nodes: Sequence[NodeState]) -> str | None:
    """Return why no machine here could ever run this, with the way out; none where one could, or none is known yet.

    Machines that are away and GPUs in use or in quarantine count: they may come back.
    """
    if not nodes:
        return None
    demand = resolve_demand(request, has_gpus=has_gpus(nodes))
    fitting = sorted((_most_workers(node, demand) for node in nodes), reverse=True)
    if sum(fitting[: demand.max_nodes]) >= demand.min_workers:
        return None
    if not fitting[0]:
        return _explain_worker(demand, nodes)
    where = "all machines together" if demand.max_nodes is None else f"{demand.max_nodes} of the machines here"
    most = sum(fitting[: demand.max_nodes])
    field = "min_workers" if request.min_workers else "num_workers"
    return f"{field}: {demand.min_workers} workers are asked for, and {where} hold {most}; lower it to {most}" + (
        ", or raise max_nodes" if demand.max_nodes is not None and sum(fitting) >= demand.min_workers else ""
    )


def _most_workers(node: NodeState, demand: Demand) -> int:
    """Return how many workers the machine would hold if nothing else ran there."""
    limits = [int(node.cpus_total // demand.cpus)]
    if demand.gpus:
        limits.append(sum(map(demand.accepts, node.gpus)) // demand.gpus)
    if demand.memory_bytes:
        limits.append(node.memory_total_bytes // demand.memory_bytes)
    return min(limits)


def _explain_worker(demand: Demand, nodes: Sequence[NodeState]) -> str:
    """Say which single need of one worker no machine meets."""
    most_gpus = max(len(node.gpus) for node in nodes)
    if demand.gpus > most_gpus:
        has = "no machine here has a GPU" if not most_gpus else f"no machine here has more than {most_gpus}"
        return f"gpus_per_worker: {demand.gpus} is asked for, and {has}; lower it to {most_gpus}"
    bare = replace(demand, gpu_model=None, min_gpu_memory_bytes=0)
    if any(_most_workers(node, bare) for node in nodes):
        return _explain_gpu_choice(demand, nodes)
    most_cpus = max(node.cpus_total for node in nodes)
    if demand.cpus > most_cpus:
        return f"cpus_per_worker: {demand.cpus:g} is asked for, and no machine here has more than {most_cpus:g} cores"
    most_memory = max(node.memory_total_bytes for node in nodes)
    if demand.memory_bytes > most_memory:
        asked, most = demand.memory_bytes / GB, most_memory / GB
        return f"memory_gb: {asked:g} is asked for, and no machine here has more than {most:.1f} GB"
    return "no machine here has the GPUs, cores and memory of one worker together; lower one of them"


def _explain_gpu_choice(demand: Demand, nodes: Sequence[NodeState]) -> str:
    models = ", ".join(sorted({gpu.model for node in nodes for gpu in node.gpus}))
    if demand.gpu_model is not None and not any(
        demand.gpu_model.lower() in gpu.model.lower() for node in nodes for gpu in node.gpus
    ):
        return f"gpu_model: no GPU here is a {demand.gpu_model!r}; there are: {models}"
    sizes = [gpu.memory_total_bytes or 0 for node in nodes for gpu in node.gpus]
    if demand.min_gpu_memory_bytes > max(sizes):
        asked, most = demand.min_gpu_memory_bytes / GB, max(sizes) / GB
        return f"min_gpu_memory_gb: {asked:g} is asked for, and no GPU here has more than {most:.1f} GB"
    gpus = say_count(demand.gpus, "GPU")
    return f"no machine here has {gpus} of that model and memory; lower gpus_per_worker (there are: {models})"


def say_count(number: float, what: str) -> str:
    """Return `1 GPU`, `2 GPUs`."""
    return f"{number:g} {what}{'' if number == 1 else 's'}"
