"""What an operator decides: how much a user and a project may have active at a time, and whether runs make room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from utp.cluster.demand import say_count
from utp.settings import Settings

NO_OWNER = "nobody in particular"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that may be active at a time; none means no limit."""

    max_runs_per_user: int | None = None
    max_gpus_per_user: int | None = None
    max_runs_per_project: int | None = None
    max_gpus_per_project: int | None = None
    max_gpus_of: Mapping[str, int] = field(default_factory=dict)
    """By project id, in place of `max_gpus_per_project`."""


NO_LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What an operator decides."""

    limits: Limits = NO_LIMITS
    may_preempt: bool = False
    hang_limit_s: float = 1800.0
    """Without a step for so long a run's job is stopped, and the run tried again."""


def read_policy(settings: Settings) -> Policy:
    """Return what the settings decide."""
    limits = Limits(
        max_runs_per_user=settings.max_runs_per_user,
        max_gpus_per_user=settings.max_gpus_per_user,
        max_runs_per_project=settings.max_runs_per_project,
        max_gpus_per_project=settings.max_gpus_per_project,
    )
    return Policy(limits=limits, may_preempt=settings.preemption, hang_limit_s=settings.hang_limit_s)


class Holdings:
    """What users and projects have active."""

    def __init__(self, limits: Limits) -> None:
        self.is_limited = limits != NO_LIMITS
        self._limits = limits
        self._runs: Counter[tuple[str, str]] = Counter()
        self._gpus: Counter[tuple[str, str]] = Counter()
        self._explained: dict[tuple[str, str, int], str | None] = {}

    def add(self, owner: str, project_id: str, num_gpus: int) -> None:
        """Count one more active run."""
        self._explained.clear()
        for key in (("user", owner), ("project", project_id)):
            self._runs[key] += 1
            self._gpus[key] += num_gpus

    def explain_limit(self, owner: str, project_id: str, num_gpus: int) -> str | None:
        """Return which limit one more run with so many GPUs would break; none where it breaks none."""
        key = (owner, project_id, num_gpus)
        if key not in self._explained:
            self._explained[key] = self._find_limit(owner, project_id, num_gpus)
        return self._explained[key]

    def _find_limit(self, owner: str, project_id: str, num_gpus: int) -> str | None:
        limits = self._limits
        of_project = limits.max_gpus_of.get(project_id, limits.max_gpus_per_project)
        for kind, name, max_runs, max_gpus in (
            ("user", owner, limits.max_runs_per_user, limits.max_gpus_per_user),
            ("project", project_id, limits.max_runs_per_project, of_project),
        ):
            num_runs, held = self._runs[kind, name], self._gpus[kind, name]
            if max_runs is not None and num_runs >= max_runs:
                return f"limit of {kind} {name or NO_OWNER}: {say_count(max_runs, 'run')} at a time"
            if max_gpus is not None and num_gpus and held + num_gpus > max_gpus:
                in_use = f"{held} {'is' if held == 1 else 'are'} in use"
                return f"limit of {kind} {name or NO_OWNER}: {say_count(max_gpus, 'GPU')} at a time, {in_use}"
        return None
