"""Says beside a list of runs that the platform is down: who waits for one of them would wait in vain."""

from __future__ import annotations

from collections.abc import Iterable

from utp.cluster.local_ray import find_local
from utp.cluster.platform_state import SENTENCES, PlatformState, look_at
from utp.entrypoints.console import stderr
from utp.settings import Settings
from utp.store.states import LIVE, RunState


def note_if_down(settings: Settings, states: Iterable[RunState]) -> None:
    """Say so to stderr, where runs in these states need a Ray of this machine that is not up."""
    if not any(state in LIVE or state is RunState.QUEUED for state in states):
        return
    cluster = find_local(settings.home)  # a Ray that was joined takes seconds to ask
    state = look_at(cluster) if cluster is not None else PlatformState.UP
    if state is not PlatformState.UP:
        stderr.print(SENTENCES[state], soft_wrap=True)
