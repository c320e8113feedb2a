"""What may be done with runs that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from utp.api.errors import problem_of
from utp.api.etag import check_if_match, etag_of
from utp.api.json_answers import JsonFields
from utp.api.paging import PageRequest, cut_page, wrong_cursor
from utp.api.runs.access import require_deletable, require_run
from utp.api.runs.answers import to_event, to_run_fields, to_runs
from utp.api.runs.detail import detail_fields, read_json_file
from utp.api.runs.schemas import (
    BulkAction,
    BulkItem,
    BulkResult,
    Deletion,
    Run,
    RunEventPage,
    RunPatch,
)
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.config.paths import RunPaths
from utp.errors import UtpError
from utp.store.errors import NotFound, RunNotFound
from utp.store.recorder.annotations import ANNOTATIONS
from utp.store.repositories.events import EventRepository
from utp.store.repositories.run_lists import SORTS, RunFilter, RunLists
from utp.store.states import Wish


class RunService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal
        self._lists = RunLists(services.database)

    def list_runs(self, wanted: RunFilter, page: PageRequest) -> JsonFields:
        """Return a `RunPage` of those that pass the filter, of projects that the principal sees."""
        sort, descends = page.sort_key(tuple(SORTS), "-created_at")
        after = _check_cursor(page, sort)
        with self._services.database.read():
            found = self._lists.read(wanted, sort=sort, descends=descends, after=after, limit=page.limit + 1)
            runs = to_run_fields(found, self._lists)
        _, cursor = cut_page(found.runs, page.limit, lambda run: (getattr(run, sort), run.id))
        return {"items": runs[: page.limit], "next_cursor": cursor, "total": found.total}

    def get(self, run_id: str) -> tuple[JsonFields, str]:
        """Return the `RunDetail` of a run, and its ETag."""
        whole = self._lists.read_whole(run_id)
        if not self._principal.can(whole.run.project_id, Action.READ):
            raise RunNotFound(run_id)
        # Outside any transaction: it reads files of the run, and a storage that hangs must not hold the database's
        # connections as well.
        detail = detail_fields(whole, self._lists, self._services.settings.home)
        return detail, etag_of(*(getattr(whole.run, name) for name in ANNOTATIONS))

    def summary(self, run_id: str) -> Run:
        """Return a run as lists show it."""
        return self.summaries([run_id])[0]

    def summaries(self, run_ids: list[str]) -> list[Run]:
        """Return runs as lists show them, in this order. Raises `RunNotFound` for one that is gone."""
        runs = to_runs(self._lists.by_ids(run_ids), self._lists)
        if len(runs) < len(set(run_ids)):
            known = {run.id for run in runs}
            raise RunNotFound(next(run_id for run_id in run_ids if run_id not in known))
        return runs

    def annotate(self, run_id: str, asked: RunPatch, if_match: str | None) -> tuple[JsonFields, str]:
        """Change tags, notes, priority, group or whether it is archived, where the ETag still holds."""
        require_run(self._services, self._principal, run_id, Action.WRITE)
        changes = asked.model_dump(exclude_unset=True, exclude={"is_archived"})
        changes = {name: value for name, value in changes.items() if value is not None or name == "group_id"}
        if "tags" in changes:
            changes["tags"] = list(dict.fromkeys(changes["tags"]))

        def check(row: Mapping[str, Any]) -> None:
            check_if_match(if_match, etag_of(*(row[name] for name in ANNOTATIONS)))

        self._services.recorder.annotate_run(run_id, changes, check, is_archived=asked.is_archived)
        if "priority" in changes:
            self._services.wakeup.wake()
        return self.get(run_id)

    def act(self, run_id: str, action: str) -> Run:
        """Stop, pause, resume or retry a run. Raises `AlreadyEnded`, `IllegalMove`."""
        self._act(run_id, action)
        self._services.wakeup.wake()
        return self.summary(run_id)

    def act_on_many(self, asked: BulkAction) -> BulkResult:
        """Do the same to each run; one that refuses does not hinder the others."""
        items = []
        for run_id in dict.fromkeys(asked.run_ids):
            try:
                self._act(run_id, asked.action)
                items.append(BulkItem(run_id=run_id, ok=True, problem=None))
            except UtpError as error:
                items.append(BulkItem(run_id=run_id, ok=False, problem=problem_of(error)))
        self._services.wakeup.wake()
        return BulkResult(items=items)

    def delete(self, run_id: str, *, is_dry_run: bool) -> Deletion:
        """Remove a run with its files, or say what would go."""
        require_deletable(self._services, self._principal, run_id)
        recorder = self._services.recorder
        plan = recorder.plan_deletion(run_id) if is_dry_run else recorder.delete_run(run_id)
        return Deletion(run_id=run_id, paths=list(plan.directories), size_bytes=plan.size_bytes)

    def environment(self, run_id: str) -> dict[str, Any]:
        """Return versions, hardware and code that the run started with."""
        place = require_run(self._services, self._principal, run_id)
        paths = RunPaths(Path(place.run_dir), Path(place.checkpoint_dir))
        content = read_json_file(paths.environment)
        if content is None:
            raise NotFound("environment of run", run_id)
        return content

    def events(self, run_id: str, page: PageRequest) -> RunEventPage:
        """Return what happened to a run, the oldest first."""
        require_run(self._services, self._principal, run_id)
        page.sort_key(("seq",), "seq")
        after = page.after(1)
        seq = 0 if after is None else after[0]
        if not isinstance(seq, int):
            raise wrong_cursor(page.cursor)
        rows = EventRepository(self._services.database).after(seq, run_id=run_id, limit=page.limit + 1)
        shown, cursor = cut_page(rows, page.limit, lambda row: (row.seq,))
        return RunEventPage(items=[to_event(row) for row in shown], next_cursor=cursor)

    def _act(self, run_id: str, action: str) -> None:
        require_run(self._services, self._principal, run_id, Action.WRITE)
        recorder, by = self._services.recorder, self._principal.name
        acts: Mapping[str, Callable[[], object]] = {
            "stop": lambda: recorder.set_wish(run_id, Wish.STOP, by=by),
            "pause": lambda: recorder.set_wish(run_id, Wish.PAUSE, by=by),
            "resume": lambda: recorder.resume(run_id),
            "retry": lambda: recorder.retry(run_id),
            "archive": lambda: recorder.archive(run_id),
            "unarchive": lambda: recorder.archive(run_id, is_archived=False),
        }
        acts[action]()


def _check_cursor(page: PageRequest, sort: str) -> list[Any] | None:
    """Return sort value and id of the last run of the page before. Raises `InvalidRequest`."""
    after = page.after(2)
    if after is None:
        return None
    kind = SORTS[sort].type.python_type
    fits = after[0] is None or isinstance(after[0], str if issubclass(kind, str) else int | float)
    if not fits or not isinstance(after[1], str) or isinstance(after[0], bool):
        raise wrong_cursor(page.cursor)
    return after
