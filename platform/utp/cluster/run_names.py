"""`RunNames`: gives out run names, one at a time.

The unique key in the store and `mkdir` make names right also without it; it spares them the races.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import Settings
from utp.store.recorder import Recorder
from utp.store.recorder.queueing import QueuedRun


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a run is to be queued as."""

    config: TrainConfig
    request: RunRequest = field(default_factory=RunRequest)
    project: str = "default"
    owner: str = ""
    group: str | None = None
    tags: Sequence[str] = ()


class RunNames:
    """Stateless: a restarted one knows as much.

    Args:
        recorder: queues runs.
        settings: mounts.
    """

    def __init__(self, recorder: Recorder, settings: Settings) -> None:
        self._recorder = recorder
        self._settings = settings
        self._one_at_a_time = threading.Lock()

    def reserve(self, claim: Claim, key: str) -> QueuedRun:
        """Queue a run under the next free name, its directories made; the same key gets the same run again.

        Raises what `Recorder.queue_run` does.
        """
        with self._one_at_a_time:
            return self._recorder.queue_run(
                claim.config,
                claim.request,
                project=claim.project,
                owner=claim.owner,
                group=claim.group,
                tags=claim.tags,
                idempotency_key=key,
                settings=self._settings,
            )
