"""Lists of runs, named configs, groups and overviews of projects, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.store.conftest import CONFIG, REQUEST, Clock

from utp.settings import Settings
from utp.store.access import Role
from utp.store.database import Database
from utp.store.errors import Conflict, NotFound
from utp.store.recorder import Recorder
from utp.store.recorder.creation import CreationKey
from utp.store.recorder.queueing import RunOrigin
from utp.store.repositories.project_overviews import ProjectOverviews
from utp.store.repositories.run_lists import SORTS, RunFilter, RunLists
from utp.store.repositories.saved_configs import GroupRepository, SavedConfigRepository
from utp.store.states import RunState, Wish
from utp.store.tables.run import Run

Queue = Callable[[], str]


def key(digest: str = "d") -> CreationKey:
    return CreationKey(user_id="u", key="k", operation="POST /x", digest=digest)


def never(_: object) -> None:
    """Let any change through."""


def walk(lists: RunLists, sort: str, *, descends: bool) -> list[str]:
    """Read all runs two at a time."""
    ids: list[str] = []
    after = None
    while True:
        runs = lists.read(RunFilter(), sort=sort, descends=descends, after=after, limit=2).runs
        if not runs:
            return ids
        ids += [run.id for run in runs]
        after = (getattr(runs[-1], sort), runs[-1].id)


def test_pages_hold_each_run_once_in_every_order_also_where_values_are_equal_or_missing(
    recorder: Recorder, database: Database, queue: Queue, clock: Clock
) -> None:
    ids = []
    for number in range(7):
        ids.append(queue())
        clock.now += number % 2
    recorder.begin_submission(ids[2])
    recorder.record_checkpoint(
        ids[2], 1, name="e", step=1, epoch=1, size_bytes=1, is_best=True, metric="val_loss", value=0.5
    )
    lists = RunLists(database)
    for sort in SORTS:
        for descends in (True, False):
            assert sorted(walk(lists, sort, descends=descends)) == sorted(ids), (sort, descends)
    assert walk(lists, "best_value", descends=True)[0] == walk(lists, "best_value", descends=False)[0] == ids[2]


def test_text_of_a_filter_is_text_and_no_pattern_or_sql(
    recorder: Recorder, database: Database, settings: Settings
) -> None:
    tags = ["50%", "a_b", "it's", 'say "x"', "grün", "back\\slash", "best", "Best", "best of all"]
    ids = {tag: recorder.queue_run(CONFIG, REQUEST, tags=[tag], settings=settings).id for tag in tags}
    lists = RunLists(database)
    for tag, run_id in ids.items():
        assert [run.id for run in lists.read(RunFilter(tag=tag)).runs] == [run_id], tag
    for text in ("%", "_", "'; DROP TABLE runs; --", "' OR '1'='1", "\\"):
        assert lists.read(RunFilter(tag=text)).total == 0, text
        assert lists.read(RunFilter(owner=text)).total == 0, text
    assert lists.read(RunFilter(search="0%")).total == 1
    recorder.queue_run(CONFIG, REQUEST, tags=["[two]", "of, them", "three"], settings=settings)
    for text, num_found in (("grün", 1), ('"', 1), ("\\", 1), ("BEST", 3), ("[", 1), (", ", 1), ("f, t", 1)):
        assert lists.read(RunFilter(search=text)).total == num_found, text
    assert lists.read(RunFilter()).total == len(tags) + 1


def test_run_knows_where_it_comes_from(recorder: Recorder, database: Database, settings: Settings) -> None:
    project_id = recorder.add_project("fruit")
    saved_id = recorder.save_config(project_id, "base", CONFIG)
    first = recorder.queue_run(
        CONFIG, REQUEST, project="fruit", origin=RunOrigin(saved_config_id=saved_id), settings=settings
    )
    second = recorder.queue_run(CONFIG, REQUEST, origin=RunOrigin(parent_run_id=first.id), settings=settings)
    runs = RunLists(database).by_ids([second.id, first.id]).runs
    assert [(run.id, run.saved_config_id, run.parent_run_id) for run in runs] == [
        (second.id, None, first.id),
        (first.id, saved_id, None),
    ]
    assert SavedConfigRepository(database).get(saved_id).num_runs == 1
    with pytest.raises(Conflict, match="runs were started"):
        recorder.change_saved_config(saved_id, {}, replace(CONFIG, lr=0.5), never)
    recorder.change_saved_config(saved_id, {"name": "other"}, CONFIG, never)


def test_creation_with_a_known_key_gives_the_same_and_with_another_body_a_conflict(recorder: Recorder) -> None:
    first = recorder.add_project("fruit", creation=key())
    assert recorder.add_project("fruit", creation=key()) == first
    with pytest.raises(Conflict, match="another request"):
        recorder.add_project("nuts", creation=key("e"))


def test_overview_counts_runs_configs_and_members(
    recorder: Recorder, database: Database, settings: Settings, clock: Clock
) -> None:
    user_id = recorder.add_user("ada", Role.MEMBER)
    project_id = recorder.add_project("fruit", member_id=user_id)
    recorder.save_config(project_id, "base", CONFIG)
    runs = [recorder.queue_run(CONFIG, REQUEST, project="fruit", settings=settings).id for _ in range(3)]
    recorder.begin_submission(runs[0])
    recorder.set_wish(runs[1], Wish.STOP, by="ada")
    overview = ProjectOverviews(database).get(project_id)
    assert overview.num_runs_by_state == {RunState.SUBMITTING: 1, RunState.STOPPED: 1, RunState.QUEUED: 1}
    assert (overview.num_configs, overview.members) == (1, [(user_id, "ada")])
    assert ProjectOverviews(database).list_projects(ids=[]) == []
    with pytest.raises(NotFound):
        ProjectOverviews(database).get("x")


def test_dissolved_group_leaves_its_runs(recorder: Recorder, database: Database, settings: Settings) -> None:
    project_id = recorder.add_project("fruit")
    group_id = recorder.add_group(project_id, "lr")
    run = recorder.queue_run(CONFIG, REQUEST, project="fruit", group="lr", settings=settings)
    assert GroupRepository(database).get(group_id).num_runs == 1
    recorder.delete_group(group_id)
    assert RunLists(database).by_ids([run.id]).runs[0].group_id is None
    with pytest.raises(NotFound):
        recorder.delete_group(group_id)


def test_annotation_of_a_group_of_another_project_is_refused(
    recorder: Recorder, database: Database, queue: Queue
) -> None:
    run_id = queue()
    group_id = recorder.add_group(recorder.add_project("other"), "lr")
    with pytest.raises(NotFound, match="group"):
        recorder.annotate_run(run_id, {"group_id": group_id, "notes": "x"}, never)
    with database.read() as connection:
        assert connection.execute(Run.__table__.select()).one().notes == ""
