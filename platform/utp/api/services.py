"""What a process gives the API: the store, and the cluster as small protocols that the entry points fill."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from utp.api.datasets.scan_processes import ScanProcesses
from utp.api.pictures.thumbnails import Thumbnails
from utp.api.tensorboard.boards import Boards
from utp.config.request import RunRequest
from utp.settings import Settings
from utp.store.database import Database
from utp.store.recorder import Recorder


class Wakeup(Protocol):
    """Tells the dispatcher that there is something to do, so that it need not wait for its next look."""

    def wake(self) -> None:
        """Return at once, also when there is no dispatcher."""
        ...


class ClusterView(Protocol):
    """What can be said of the cluster without asking the store."""

    def is_up(self) -> bool:
        """Whether Ray answers."""
        ...

    def dashboard_url(self) -> str | None:
        """Address of Ray's own dashboard, if there is one."""
        ...

    def explain_unsatisfiable(self, request: RunRequest) -> str | None:
        """Return why no machine could ever run this, with the way out; None where one could, or nobody knows."""
        ...


class NoWakeup:
    """No dispatcher is near: it finds the row at its next look."""

    def wake(self) -> None:
        """Do nothing."""


class NoCluster:
    """A dashboard without its cluster: history only."""

    def is_up(self) -> bool:
        """Return False."""
        return False

    def dashboard_url(self) -> str | None:
        """Return None."""
        return None

    def explain_unsatisfiable(self, request: RunRequest) -> str | None:
        """Return None."""
        return None


@dataclass(frozen=True, kw_only=True)
class Services:
    """All that endpoints stand on."""

    settings: Settings
    database: Database
    recorder: Recorder
    wakeup: Wakeup = field(default_factory=NoWakeup)
    cluster: ClusterView = field(default_factory=NoCluster)

    @cached_property
    def thumbnails(self) -> Thumbnails:
        """Maker of thumbnails, one a process; it starts its decoders with the first."""
        return Thumbnails(self.settings.cache_dir)

    @cached_property
    def scans(self) -> ScanProcesses:
        """Scans of datasets that this process started."""
        return ScanProcesses(self.settings)

    @cached_property
    def boards(self) -> Boards:
        """TensorBoards that this process started."""
        return Boards()

    def close(self) -> None:
        """End the processes that were started on demand; the database belongs to who opened it."""
        if "thumbnails" in self.__dict__:
            self.thumbnails.close()
        if "scans" in self.__dict__:
            self.scans.close()
        if "boards" in self.__dict__:
            self.boards.close()
