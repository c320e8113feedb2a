"""What a run's machines and GPUs did while its attempts lasted, beside the run's own measurements of speed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from utp.api.metrics.schemas import CurveList, CurveOut
from utp.api.metrics.service import MetricService
from utp.api.runs.access import require_run
from utp.api.security.permissions import Principal
from utp.api.services import Services
from utp.store.metric_blocks import make_points, thin_out
from utp.store.repositories.agents import AgentRepository, AgentRow
from utp.store.repositories.machine_history import MachineHistoryRepository, MachineMoment
from utp.store.repositories.runs import AttemptRow, RunRepository

Values = list[tuple[float, float | None]]
"""(seconds since 1970, value)."""


def read_system_curves(services: Services, principal: Principal, run_id: str, max_points: int) -> CurveList:
    """Return the curves; those of machines are over seconds since the run's start and go back 30 days at most."""
    require_run(services, principal, run_id)
    attempts = [one for one in RunRepository(services.database).get(run_id).attempts if one.started_at is not None]
    items = MetricService(services, principal).read_system_metrics(run_id, max_points)
    if attempts:
        start = min(one.started_at for one in attempts if one.started_at is not None)
        for name, values in sorted(_read_machines(services, attempts).items()):
            items.append(_to_curve(run_id, name, values, start, max_points))
    return CurveList(items=items)


def _read_machines(services: Services, attempts: Sequence[AttemptRow]) -> Mapping[str, Values]:
    agents = {agent.id: agent for agent in AgentRepository(services.database).list_agents(with_gone=True)}
    history = MachineHistoryRepository(services.database)
    curves: dict[str, Values] = defaultdict(list)
    for attempt in attempts:
        for agent, gpus in _shares(attempt, agents):
            moments = history.read(agent.id, attempt.started_at, attempt.ended_at)
            for name, value in _split(agent, gpus, moments):
                curves[name].append(value)
    return curves


def _shares(attempt: AttemptRow, agents: Mapping[str, AgentRow]) -> Iterator[tuple[AgentRow, Sequence[int]]]:
    """Yield the machines that are known, with the indices of the GPUs that the attempt held there."""
    for share in (attempt.placement or {}).get("shares", []):
        if agent := agents.get(share["node_id"]):
            yield agent, share["gpus"]


def _split(
    agent: AgentRow, indices: Sequence[int], moments: Iterable[MachineMoment]
) -> Iterator[tuple[str, tuple[float, float | None]]]:
    gpus = {gpu.uuid: gpu.index for gpu in agent.gpus if gpu.index in indices}
    for moment in moments:
        yield f"{agent.hostname}/cpu_percent", (moment.at, moment.cpu_percent)
        yield f"{agent.hostname}/memory_used_bytes", (moment.at, moment.memory_used_bytes)
        for uuid, (utilisation, memory) in moment.gpus.items():
            if uuid in gpus:
                yield f"{agent.hostname}/gpu{gpus[uuid]}/utilization_percent", (moment.at, utilisation)
                yield f"{agent.hostname}/gpu{gpus[uuid]}/memory_used_bytes", (moment.at, memory)


def _to_curve(run_id: str, name: str, values: Values, start: float, max_points: int) -> CurveOut:
    known = [(at - start, value) for at, value in values if value is not None]
    points = thin_out(make_points([at for at, _ in known], [value for _, value in known]), max_points)
    seconds = [round(at) for at in points.steps]
    return CurveOut(
        run_id=run_id,
        name=name,
        steps=seconds,
        values=list(points.values),
        epochs=None,
        times_s=[round(at, 1) for at in points.steps],
        is_downsampled=len(points) < len(known),
        last_step=seconds[-1] if seconds else -1,
    )
