"""Runs over HTTP."""

from __future__ import annotations

import errno
import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient
from tests.api.conftest import SignIn
from tests.api.runs.conftest import CONFIG, RUNS, Fail, Queue

from utp.api.app import build_app
from utp.api.runs.schemas import RunDetail, RunPage
from utp.api.services import Services
from utp.config.loading import parse_config
from utp.config.request import RunRequest
from utp.errors import FAILURE_HELP, FailureKind
from utp.store.access import Role
from utp.store.recorder import Recorder
from utp.store.tables.job import Job

Start = Callable[[str], None]


def all_pages(client: TestClient, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = client.get(RUNS, params=params | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return items


def test_queued_run_is_listed_and_read(client: TestClient, queue: Queue) -> None:
    run = queue(tags=["a", "a"], config={"lr": 0.5}, request={"priority": 3})
    assert (run["state"], run["priority"], run["tags"], run["owner"]) == ("queued", 3, ["a"], "admin")
    assert (run["highlights"]["lr"], run["progress"], run["config_id"]) == (0.5, None, None)
    assert client.get(RUNS).json()["items"] == [run]
    detail = client.get(f"{RUNS}/{run['id']}").json()
    assert detail["config"]["lr"] == 0.5
    assert "lr" in detail["config_changed_fields"]
    assert Path(detail["run_dir"]).is_dir()
    assert detail["dataset"]["fingerprint"] is None


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_what_is_sent_without_a_model_is_what_its_model_says(
    client: TestClient, queue: Queue, start: Start, fail: Fail, state: str
) -> None:
    run_id = queue(tags=["a"])["id"]
    if state != "queued":
        (start if state == "running" else fail)(run_id)
    for path, model in ((RUNS, RunPage), (f"{RUNS}/{run_id}", RunDetail)):
        sent = client.get(path)
        checked = model.model_validate_json(sent.content)
        assert set(checked.model_fields_set) == set(model.model_fields)
        assert json.loads(checked.model_dump_json()) == sent.json()


def test_run_whose_worker_is_silent_says_so_in_the_list_and_by_itself(
    services: Services, client: TestClient, queue: Queue, start: Start
) -> None:
    run_id = queue()["id"]
    start(run_id)
    services.database.write(lambda tx: tx.connection.execute(update(Job).values(lease_until=tx.now - 5)))
    (listed,) = client.get(RUNS).json()["items"]
    alone = client.get(f"{RUNS}/{run_id}").json()
    for run in (listed, alone):
        assert (run["health"], run["health_detail"]) == ("silent", "nothing was heard of its worker for 35 s")


def test_command_of_a_run_trains_the_same_config(client: TestClient, queue: Queue) -> None:
    run = queue(config={"lr": 0.5, "run_name": "it's $(touch x)"})
    detail = client.get(f"{RUNS}/{run['id']}").json()
    words = shlex.split(detail["command"])
    assert words[0:2] == ["printf", "%s"]
    assert parse_config(json.loads(words[2])) == parse_config(detail["config"])
    assert words[3:] == [">", words[4], "&&", "utp", "train", words[4]]


def test_runs_of_a_config_get_seeds_one_after_the_other(client: TestClient, config_id: str, project_id: str) -> None:
    asked = {"count": 3, "overrides": {"seed": 7}, "tags": ["x"], "name_suffix": "b", "workers": 2}
    answer = client.post(f"{RUNS}/from-config/{config_id}", json=asked)
    assert answer.status_code == 201, answer.text
    runs = answer.json()["items"]
    assert [run["highlights"]["seed"] for run in runs] == [7, 8, 9]
    assert {run["config_id"] for run in runs} == {config_id}
    assert client.get(f"{RUNS}/{runs[0]['id']}").json()["request"]["num_workers"] == 2
    seeds = client.post(f"{RUNS}/from-config/{config_id}", json={"seeds": [1, 5]}).json()["items"]
    assert [run["highlights"]["seed"] for run in seeds] == [1, 5]
    config = client.get(f"/api/v1/configs/{config_id}")
    assert config.json()["num_runs"] == 5
    patch = {"config": {**config.json()["config"], "lr": 0.9}}
    refused = client.patch(f"/api/v1/configs/{config_id}", json=patch, headers={"If-Match": config.headers["ETag"]})
    assert (refused.status_code, refused.json()["way_out"]) == (409, "clone it and change the copy")
    project = client.get(f"/api/v1/projects/{project_id}").json()
    assert project["num_runs_by_state"] == {"queued": 5}


def test_same_key_queues_no_run_twice(client: TestClient, config_id: str) -> None:
    headers = {"Idempotency-Key": "once"}
    url = f"{RUNS}/from-config/{config_id}"
    first, second = (client.post(url, json={"count": 2}, headers=headers).json()["items"] for _ in range(2))
    assert [run["id"] for run in first] == [run["id"] for run in second]
    assert client.get(RUNS).json()["total"] == 2
    other = client.post(url, json={"overrides": {"lr": 0.9}}, headers=headers)
    assert other.status_code == 409


def test_key_stands_for_the_whole_request(client: TestClient, project_id: str) -> None:
    headers = {"Idempotency-Key": "once"}
    asked = {"project_id": project_id, "config": CONFIG, "request": {"priority": 1}, "tags": ["a"]}
    first = client.post(RUNS, json=asked, headers=headers)
    assert first.status_code == 201
    assert client.post(RUNS, json=asked, headers=headers).json()["id"] == first.json()["id"]
    for other in ({"request": {"priority": 2}}, {"tags": []}, {"request": {"priority": 1, "num_workers": 2}}):
        refused = client.post(RUNS, json=asked | other, headers=headers)
        assert (refused.status_code, refused.json()["way_out"]) == (409, "take a new key")
    assert client.post(f"{RUNS}/{first.json()['id']}/clone", headers=headers).status_code == 409
    assert client.post("/api/v1/projects", json={"name": "p"}, headers=headers).status_code == 409
    assert client.get(RUNS).json()["total"] == 1


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"count": 0}, "count"),
        ({"overrides": {"lr": "high"}}, "lr"),
        ({"overrides": {"nothing": 1}}, "overrides.nothing"),
        ({"overrides": {"root": "../x"}}, "root"),
        ({"count": 3, "seeds": [1]}, "count"),
        ({"priority": 1000}, "priority"),
    ],
)
def test_wrong_values_are_named(client: TestClient, config_id: str, asked: dict[str, Any], field: str) -> None:
    answer = client.post(f"{RUNS}/from-config/{config_id}", json=asked)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_wrong_request_is_named(client: TestClient, project_id: str) -> None:
    asked = {"project_id": project_id, "config": {"root": "a", "model_flavour": "m"}, "request": {"workers": 2}}
    answer = client.post(RUNS, json=asked)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "request.workers")


def test_pages_show_each_run_once_in_every_order(client: TestClient, queue: Queue, start: Start) -> None:
    runs = [queue(request={"priority": number % 2}) for number in range(5)]
    start(runs[1]["id"])
    for sort in ("-created_at", "created_at", "name", "-best_value", "-started_at", "state", "-priority"):
        listed = all_pages(client, sort=sort, limit=2)
        assert sorted(run["id"] for run in listed) == sorted(run["id"] for run in runs), sort
    by_start = all_pages(client, sort="-started_at", limit=2)
    assert by_start[0]["id"] == runs[1]["id"]
    assert [run["priority"] for run in all_pages(client, sort="-priority", limit=2)] == [1, 1, 0, 0, 0]


def test_filters_restrict_and_wrong_ones_are_refused(client: TestClient, queue: Queue, start: Start) -> None:
    first, second = queue(tags=["a%b", "x"]), queue(tags=["axb"])
    start(second["id"])
    for params, expected in (
        ({"state": "running,failed"}, [second]),
        ({"tag": "a%b"}, [first]),
        ({"tag": "a_b"}, []),
        ({"owner": "admin"}, [second, first]),
        ({"owner": "eve"}, []),
        ({"q": first["id"][:30]}, [first]),
        ({"q": "%"}, [first]),
        ({"q": "' OR 1=1 --"}, []),
    ):
        listed = client.get(RUNS, params=params).json()
        assert [run["id"] for run in listed["items"]] == [run["id"] for run in expected], params
        assert listed["total"] == len(expected)
    for params in ({"state": "flying"}, {"sort": "run_dir"}, {"project_id": "x"}, {"archived": "perhaps"}):
        assert client.get(RUNS, params=params).status_code == 422, params


def test_live_run_has_progress_time_and_eta(client: TestClient, queue: Queue, start: Start) -> None:
    run_id = queue()["id"]
    start(run_id)
    run = client.get(f"{RUNS}/{run_id}").json()
    assert (run["state"], run["step"], run["progress"]) == ("running", 25, 0.25)
    assert run["run_time_s"] > 0
    assert run["eta_s"] == pytest.approx(3 * run["run_time_s"])
    assert run["attempts"][0]["host"] == "a"


def test_failed_run_says_why_and_what_to_do(client: TestClient, queue: Queue, fail: Fail) -> None:
    run_id = queue()["id"]
    fail(run_id)
    cause = client.get(f"{RUNS}/{run_id}").json()["cause"]
    assert cause == {
        "kind": "oom_gpu",
        "title": "The GPU ran out of memory",
        "message": "CUDA out of memory",
        "what_to_do": FAILURE_HELP[FailureKind.OOM_GPU].what_to_do,
        "log_line": {
            "attempt": 1,
            "stream": "rank0.log",
            "line": 2,
            "text": "RuntimeError: CUDA out of memory, 2 GB wanted",
        },
        "traceback": "Traceback: <script>",
    }
    retried = client.post(f"{RUNS}/{run_id}/retry")
    assert (retried.status_code, retried.json()["state"]) == (200, "queued")


def test_every_failure_kind_has_words() -> None:
    assert set(FAILURE_HELP) == set(FailureKind)


def test_run_is_stopped_paused_and_resumed_where_its_state_allows(client: TestClient, queue: Queue) -> None:
    run_id = queue()["id"]
    acts = [
        (act, client.post(f"{RUNS}/{run_id}/{act}"))
        for act in ("pause", "pause", "resume", "stop", "pause", "retry", "retry")
    ]
    assert [(act, answer.status_code, answer.json().get("state")) for act, answer in acts] == [
        ("pause", 200, "paused"),
        ("pause", 200, "paused"),
        ("resume", 200, "queued"),
        ("stop", 200, "stopped"),
        ("pause", 409, None),
        ("retry", 200, "queued"),
        ("retry", 200, "queued"),
    ]


def test_bulk_answers_for_each_run(client: TestClient, queue: Queue) -> None:
    first, second = queue()["id"], queue()["id"]
    client.post(f"{RUNS}/{second}/stop")
    unknown = "a" * 32
    asked = {"action": "pause", "run_ids": [first, second, unknown, first]}
    items = client.post(f"{RUNS}/bulk", json=asked).json()["items"]
    assert [(item["run_id"], item["ok"], (item["problem"] or {}).get("status")) for item in items] == [
        (first, True, None),
        (second, False, 409),
        (unknown, False, 404),
    ]


def test_annotations_change_with_the_etag(client: TestClient, queue: Queue, project_id: str) -> None:
    url = f"{RUNS}/{queue()['id']}"
    group = client.post(f"/api/v1/projects/{project_id}/groups", json={"name": "g"}).json()["id"]
    etag = client.get(url).headers["ETag"]
    change = {"tags": ["best"], "notes": "<b>", "priority": 5, "group_id": group}
    assert client.patch(url, json=change).status_code == 428
    changed = client.patch(url, json=change, headers={"If-Match": etag})
    assert {name: changed.json()[name] for name in change} == change
    assert changed.json()["group_name"] == "g"
    assert client.patch(url, json=change, headers={"If-Match": etag}).status_code == 412
    etag = changed.headers["ETag"]
    assert client.patch(url, json={"group_id": "b" * 32}, headers={"If-Match": etag}).status_code == 404
    archived = client.patch(url, json={"is_archived": True, "group_id": None}, headers={"If-Match": etag}).json()
    assert archived["archived_at"] is not None
    assert archived["group_id"] is None
    assert client.get(RUNS).json()["total"] == 0
    assert client.get(RUNS, params={"archived": True}).json()["total"] == 1


def test_clone_is_a_new_run_that_knows_its_parent(client: TestClient, queue: Queue) -> None:
    run = queue(config={"lr": 0.5}, tags=["a"])
    clone = client.post(f"{RUNS}/{run['id']}/clone")
    assert clone.status_code == 201
    detail = client.get(f"{RUNS}/{clone.json()['id']}").json()
    assert (detail["parent_run_id"], detail["config"]["lr"], detail["tags"]) == (run["id"], 0.5, ["a"])
    assert detail["name"] != run["name"]


def test_deletion_says_before_what_goes(client: TestClient, queue: Queue, start: Start, recorder: Recorder) -> None:
    run = queue()
    detail = client.get(f"{RUNS}/{run['id']}").json()
    plan = client.delete(f"{RUNS}/{run['id']}", params={"dry_run": True}).json()
    assert sorted(plan["paths"]) == sorted([detail["run_dir"], detail["checkpoint_dir"]])
    assert Path(detail["run_dir"]).is_dir()
    assert client.delete(f"{RUNS}/{run['id']}").json()["paths"] == plan["paths"]
    assert not Path(detail["run_dir"]).exists()
    assert client.get(f"{RUNS}/{run['id']}").status_code == 404
    live = queue()["id"]
    start(live)
    assert client.delete(f"{RUNS}/{live}").status_code == 409


def test_deletion_that_the_storage_cut_off_is_finished_by_the_next_one(
    client: TestClient, queue: Queue, sign_in: SignIn, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: Path) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    run = queue()
    url, folder = f"{RUNS}/{run['id']}", Path(client.get(f"{RUNS}/{run['id']}").json()["run_dir"])
    assert client.get(RUNS).json()["total"] == 1
    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", refuse)
        assert client.delete(url).status_code == 503
    assert client.get(RUNS).json() == {"items": [], "next_cursor": None, "total": 0}
    assert client.get(url).status_code == 404
    assert sign_in("olga", Role.MEMBER).delete(url).status_code == 404
    assert sign_in("vic", Role.VIEWER, projects=[project_id]).delete(url).status_code == 403
    assert client.delete(url).status_code == 200
    assert not folder.exists()
    assert client.delete(url).status_code == 404


def test_environment_is_read_from_the_runs_file(client: TestClient, queue: Queue) -> None:
    run = queue()
    url = f"{RUNS}/{run['id']}"
    assert client.get(f"{url}/environment").status_code == 404
    file = Path(client.get(url).json()["run_dir"]) / "environment.json"
    file.write_text('{"versions": {"torch": "2"}}')
    assert client.get(f"{url}/environment").json() == {"versions": {"torch": "2"}}
    file.write_text("[" * 100_000)
    assert client.get(f"{url}/environment").status_code == 404


def test_events_come_in_order_page_by_page(client: TestClient, queue: Queue) -> None:
    run_id = queue()["id"]
    for act in ("pause", "resume", "stop"):
        client.post(f"{RUNS}/{run_id}/{act}")
    url = f"{RUNS}/{run_id}/events"
    first = client.get(url, params={"limit": 3}).json()
    rest = client.get(url, params={"limit": 3, "cursor": first["next_cursor"]}).json()
    states = [event["detail"]["new_state"] for event in (*first["items"], *rest["items"])]
    assert states == ["queued", "paused", "queued", "stopped"]
    assert rest["next_cursor"] is None


def test_run_of_a_project_that_is_not_seen_does_not_exist(client: TestClient, queue: Queue, sign_in: SignIn) -> None:
    run_id = queue()["id"]
    member = sign_in("ada", Role.MEMBER)
    assert member.get(RUNS).json()["total"] == 0
    assert member.get(f"{RUNS}/{run_id}").status_code == 404
    assert member.post(f"{RUNS}/{run_id}/stop").status_code == 404
    assert member.post(f"{RUNS}/bulk", json={"action": "stop", "run_ids": [run_id]}).json()["items"][0]["ok"] is False


def test_viewer_sees_runs_and_stops_none(queue: Queue, project_id: str, sign_in: SignIn) -> None:
    run_id = queue()["id"]
    viewer = sign_in("vic", Role.VIEWER, projects=[project_id])
    assert viewer.get(f"{RUNS}/{run_id}").status_code == 200
    assert viewer.post(f"{RUNS}/{run_id}/stop").status_code == 403
    assert viewer.delete(f"{RUNS}/{run_id}").status_code == 403


def test_storage_that_can_not_be_written_is_no_bug(
    stranger: TestClient, client: TestClient, project_id: str, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "SHARED_LOGS_DIR")
    (tmp_path / "SHARED_LOGS_DIR").write_text("a file where a folder should be")
    asked = {"project_id": project_id, "config": {"root": "a", "model_flavour": "builtin/vit-tiny"}}
    answer = stranger.post(RUNS, json=asked, headers=client.headers)
    assert answer.status_code in (422, 503), answer.text


@dataclass(frozen=True)
class SmallCluster:
    """One that holds a single worker."""

    def is_up(self) -> bool:
        return True

    def dashboard_url(self) -> None:
        return None

    def explain_unsatisfiable(self, request: RunRequest) -> str | None:
        if request.num_workers == 1:
            return None
        return f"num_workers: {request.num_workers} workers are asked for, and all machines hold 1; lower it to 1"


def test_run_that_no_machine_could_ever_run_is_refused(
    services: Services, client: TestClient, project_id: str, config_id: str
) -> None:
    app = build_app(replace(services, cluster=SmallCluster()))
    with TestClient(app, base_url=str(client.base_url), headers=client.headers) as on_small:
        asked = {"project_id": project_id, "config": CONFIG, "request": {"num_workers": 2}}
        refusals = (
            on_small.post(RUNS, json=asked),
            on_small.post(f"{RUNS}/from-config/{config_id}", json={"workers": 2}),
        )
        for answer in refusals:
            assert answer.status_code == 422, answer.text
            (problem,) = answer.json()["errors"]
            assert (problem["field"], problem["way_out"]) == ("num_workers", "lower it to 1")
        assert on_small.get(RUNS).json()["items"] == []
        assert on_small.post(RUNS, json={**asked, "request": {}}).status_code == 201


def test_run_whose_workers_cannot_share_a_batch_is_refused_before_any_is_queued(
    client: TestClient, project_id: str
) -> None:
    asked = {"project_id": project_id, "config": {**CONFIG, "batch_size": 16}, "request": {"num_workers": 3}}
    answer = client.post(RUNS, json=asked)
    assert answer.status_code == 422, answer.text
    (problem,) = answer.json()["errors"]
    assert problem["field"] == "batch_size"
    assert problem["way_out"].startswith("set it to 18")
    assert client.get(RUNS).json()["items"] == []
    asked["request"] = {"num_workers": 3, "min_workers": 1}
    assert client.post(RUNS, json=asked).status_code == 201


def test_audit_trail_names_each_run_of_a_mass_action_and_no_dry_run(client: TestClient, queue: Queue) -> None:
    runs = [queue()["id"] for _ in range(2)]
    client.delete(f"{RUNS}/{runs[0]}", params={"dry_run": True})
    client.post(f"{RUNS}/bulk", json={"action": "stop", "run_ids": [*runs, "b" * 32]})
    client.delete(f"{RUNS}/{runs[0]}")
    entries = client.get("/api/v1/audit", params={"limit": 3}).json()["items"]
    assert [(one["action"], one["object_id"], one["detail"]) for one in entries] == [
        ("delete_run", runs[0], {"run_id": runs[0]}),
        ("act_on_runs", runs[1], {"action": "stop"}),
        ("act_on_runs", runs[0], {"action": "stop"}),
    ]


def test_runs_stay_in_their_project_and_group_whatever_those_are_called_meanwhile(
    client: TestClient, project_id: str, config_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = f"/api/v1/projects/{project_id}/groups"
    group_id = client.post(groups, json={"name": "seeds"}).json()["id"]
    queue_run = Recorder.queue_run

    def queue_and_rename(recorder: Recorder, *args: Any, **options: Any) -> Any:
        queued = queue_run(recorder, *args, **options)
        recorder.change_project(project_id, {"name": "vegetables"}, lambda _row: None)
        recorder.change_group(group_id, {"name": "other"}, lambda _row: None)
        return queued

    monkeypatch.setattr(Recorder, "queue_run", queue_and_rename)
    runs = client.post(f"{RUNS}/from-config/{config_id}", json={"count": 3, "group_id": group_id}).json()["items"]
    runs.append(client.post(f"{RUNS}/{runs[0]['id']}/clone").json())
    assert [(run["project_id"], run["group_id"]) for run in runs] == [(project_id, group_id)] * 4
    assert [one["name"] for one in client.get("/api/v1/projects").json()["items"]] == ["vegetables"]
    assert [(one["name"], one["num_runs"]) for one in client.get(groups).json()["items"]] == [("other", 4)]


def test_files_of_a_run_are_read_while_no_connection_of_the_database_is_held(
    client: TestClient, services: Services, queue: Queue, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []

    def spied(read: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            held.append(services.database.engine.pool.checkedout())  # type: ignore[attr-defined]
            return read(*args)

        return call

    for place in ("api.runs.detail.read_json_file", "api.runs.cause.find_log", "store.recorder.housekeeping._measure"):
        module, _, name = f"utp.{place}".rpartition(".")
        monkeypatch.setattr(f"{module}.{name}", spied(getattr(import_module(module), name)))
    run_id = queue()["id"]
    fail(run_id)
    assert client.get(f"{RUNS}/{run_id}").json()["cause"]["log_line"] is not None
    assert client.delete(f"{RUNS}/{run_id}", params={"dry_run": True}).json()["size_bytes"] > 0
    assert (max(held), len(held) > 2) == (0, True)
