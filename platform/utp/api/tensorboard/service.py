"""Who may see which TensorBoard, and which runs it shows."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from utp.api.errors import InvalidRequest, LibraryMissing
from utp.api.runs.access import require_runs
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.api.tensorboard.board import PREFIX, Board
from utp.api.tensorboard.keys import BoardKey, key_of_runs, read_key
from utp.api.tensorboard.schemas import TensorBoard, TensorBoardOpen
from utp.config.paths import RunPaths
from utp.store.errors import NotFound
from utp.store.repositories.project_overviews import ProjectOverviews
from utp.store.repositories.run_places import RunPlace, RunPlaces

MAX_PROJECT_RUNS = 200
"""The newest of a project are shown; TensorBoard reads every file of every run again and again."""


class TensorBoardService:
    """Opens TensorBoards for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal

    def start(self, asked: TensorBoardOpen) -> TensorBoard:
        """Open the board of some runs or of a project. Raises as `open`, and `InvalidRequest`."""
        if (asked.run_ids is None) == (asked.project_id is None):
            raise InvalidRequest("run_ids", None, "give either run_ids or project_id", "leave one of them out")
        return self.find(str(key_of_runs(asked.run_ids) if asked.run_ids else BoardKey(project_id=asked.project_id)))

    def find(self, key: str) -> TensorBoard:
        """Return the board of a key, opened if need be. Raises as `open`."""
        board = self.open(key)
        return TensorBoard(url=f"{PREFIX}/{key}/", state="ready" if board.is_ready() else "starting")

    def open(self, key: str) -> Board:
        """Return the process that shows what a key names.

        Raises:
            NotFound: there is no such thing, or not for this principal.
            LibraryMissing: TensorBoard is not installed.
            TensorBoardsBusy: too many are open.
        """
        found = read_key(key)
        if found is None:
            raise NotFound("TensorBoard", key[:40])
        if found.project_id is not None:
            self._principal.require(found.project_id, Action.READ)
            ProjectOverviews(self._services.database).name_of(found.project_id)
        else:
            require_runs(self._services, self._principal, found.run_ids)
        if find_spec("tensorboard") is None:
            raise LibraryMissing("tensorboard", "what runs wrote for TensorBoard")
        return self._services.boards.open(key, lambda: name_logs(self._runs(found)))

    def _runs(self, key: BoardKey) -> list[RunPlace]:
        places = RunPlaces(self._services.database)
        if key.project_id is not None:
            return places.newest_of(key.project_id, MAX_PROJECT_RUNS)
        found = places.find_many(key.run_ids)
        return [found[run_id] for run_id in key.run_ids if run_id in found]


def name_logs(places: list[RunPlace]) -> dict[str, Path]:
    """Return the folders of event files by a name of each run; a run that has written none is left out."""
    logs: dict[str, Path] = {}
    for place in places:
        folder = RunPaths(Path(place.run_dir), Path(place.checkpoint_dir)).tensorboard
        name = place.name.replace("/", "_")
        if folder.is_dir() and not folder.is_symlink():
            logs[f"{name} {place.run_id[:8]}" if name in logs else name] = folder
    return logs
