from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from typer.testing import CliRunner

from utp.entrypoints.cli import app
from utp.settings import Settings, get_settings
from utp.store.database import Database, open_database
from utp.store.engines import database_url, open_engine
from utp.store.recorder import Recorder
from utp.store.recorder.inventory import AgentFacts
from utp.store.repositories.runs import RunRepository
from utp.store.states import Outcome
from utp.store.upgrade import upgrade

CONFIG = "root: DATA\nmodel_flavour: builtin/vit-tiny\nload_pretrained: false\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATASETS_DIR", "SHARED_LOGS_DIR", "MODELS_DIR", "UTP_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UTP_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    (tmp_path / "home").mkdir()
    (tmp_path / "mine.yaml").write_text(CONFIG)
    database = Database(open_engine(database_url(Settings())))
    upgrade(database)
    database.close()
    return tmp_path


def utp(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def listed() -> list[dict[str, object]]:
    return json.loads(utp("run", "list", "--json"))  # type: ignore[no-any-return]


def test_submitted_run_is_queued_with_paths_that_mean_the_same_everywhere(folder: Path) -> None:
    utp("run", "submit", "mine.yaml", "--priority", "3", "--set", "epochs=2")
    (run,) = listed()
    assert (run["state"], run["priority"]) == ("queued", 3)
    detail = json.loads(utp("run", "show", str(run["id"]), "--json"))
    assert detail["config"]["root"] == str(folder / "DATA")
    assert detail["config"]["epochs"] == 2
    assert detail["run_dir"].startswith(str(folder / "runs"))


def test_request_that_no_machine_meets_is_refused_at_submit(folder: Path) -> None:
    database = open_database(Settings())
    recorder = Recorder(database)
    facts = {"cpus_total": 4.0, "memory_total_bytes": 10**10}
    recorder.upsert_agent(AgentFacts(id="n1", hostname="a", address="127.0.0.1", is_alive=True, facts=facts))
    database.close()
    output = utp("run", "submit", "mine.yaml", "--gpus-per-worker", "1", code=2)
    assert "gpus_per_worker: 1 is asked for, and no machine here has a GPU" in " ".join(output.split())
    assert listed() == []


def test_any_field_of_the_request_may_be_asked_for(folder: Path) -> None:
    words = (
        "--workers",
        "4",
        "--request",
        "min_workers=2",
        "--request",
        "max_run_time_s=60.5",
        "--request",
        "gpu_model=A100",
    )
    utp("run", "submit", "mine.yaml", *words)
    request = json.loads(utp("run", "show", str(listed()[0]["id"]), "--json"))["request"]
    asked = {"num_workers": 4, "min_workers": 2, "max_run_time_s": 60.5, "gpu_model": "A100", "priority": 0}
    assert asked.items() <= request.items()
    for wrong, told in (
        ("memory=8", "did you mean 'memory_gb'?"),
        ("min_workers", "has no `=`"),
        ("min_workers=9", "is above num_workers (4)"),
        ("min_workers='", "is not YAML"),
    ):
        output = utp("run", "submit", "mine.yaml", "--workers", "4", "--request", wrong, code=2)
        assert told in " ".join(output.split())


def test_bad_request_names_the_field(folder: Path) -> None:
    assert "num_workers" in utp("run", "submit", "mine.yaml", "--workers", "0", code=2)


def test_stopped_run_can_be_named_by_its_name_and_retried(folder: Path) -> None:
    utp("run", "submit", "mine.yaml")
    name = str(listed()[0]["name"])
    assert utp("run", "stop", name) == f"{name} is stopped\n"
    assert utp("run", "retry", name) == f"{name} is queued\n"
    assert name in utp("queue")


def test_logs_of_all_attempts_are_printed_and_the_exit_code_is_the_runs(folder: Path) -> None:
    utp("run", "submit", "mine.yaml")
    run_id = str(listed()[0]["id"])
    database = open_database(Settings())
    recorder = Recorder(database)
    run_dir = Path(RunRepository(database).get(run_id).run_dir)
    for attempt in (1, 2):
        (run_dir / "attempts" / str(attempt)).mkdir(parents=True)
        (run_dir / "attempts" / str(attempt) / "rank0.log").write_text(f"first {attempt}\nsecond {attempt}\n")
        recorder.begin_submission(run_id)
        recorder.end_attempt(run_id, attempt, outcome=Outcome.FAILED)
        if attempt == 1:
            recorder.retry(run_id)
    database.close()
    assert utp("run", "logs", run_id) == "first 1\nsecond 1\nfirst 2\nsecond 2\n"
    assert "first 1" in utp("run", "logs", "-f", run_id, code=1)


def test_unknown_run_is_named(folder: Path) -> None:
    assert "run nothere does not exist" in utp("run", "show", "nothere", code=2)


def test_empty_lists_say_what_to_do(folder: Path) -> None:
    assert json.loads(utp("agents", "--json")) == []
    assert utp("queue") == ""
    assert utp("run", "list") == ""


def test_status_of_a_platform_that_is_down(folder: Path) -> None:
    assert "`utp up` starts it" in utp("status", code=1)


def note_ray(folder: Path, pid: int, born_at: float, *, is_ready: bool) -> None:
    """Leave the record of a Ray that `utp up` started."""
    ray = {"pid": pid, "born_at": born_at, "address": "a:1", "dashboard": "http://127.0.0.1:1", "temp_dir": "/no/ray"}
    token = folder / "token"
    token.write_text("t")
    record = {**ray, "token_file": str(token), "is_ready": is_ready}
    (folder / "home" / "cluster.json").write_text(json.dumps(record))


def test_ray_that_died_or_hangs_or_is_on_its_way_is_told_apart(folder: Path) -> None:
    here = psutil.Process()
    note_ray(folder, here.pid, here.create_time(), is_ready=False)
    assert "is not up yet" in utp("status", code=1)
    note_ray(folder, here.pid, here.create_time(), is_ready=True)
    assert "does not answer" in utp("status", code=1)
    assert json.loads(utp("status", "--json", code=1))["state"] == "silent"
    note_ray(folder, 2**22 + 1, 0.0, is_ready=True)
    assert "Ray died" in utp("status", code=1)


def test_run_of_a_ray_that_died_is_shown_as_silent_with_the_way_out(folder: Path) -> None:
    utp("run", "submit", "mine.yaml")
    run_id = str(listed()[0]["id"])
    now = [time.time()]
    database = open_database(Settings(), clock=lambda: now[0])
    recorder = Recorder(database)
    recorder.begin_submission(run_id)
    recorder.mark_running(run_id, 1, host="here", pid=1, start_step=0, total_steps=9, epochs=1)
    note_ray(folder, 2**22 + 1, 0.0, is_ready=True)
    now[0] -= 60
    recorder.beat(run_id, 1, step=1, epoch=1)
    database.close()
    assert listed()[0]["health"] == "silent"
    told = utp("run", "list") + utp("run", "show", run_id)
    assert "silent: nothing was heard of its worker for 6" in told
    assert "Ray died" in CliRunner().invoke(app, ["run", "list"]).stderr


def test_ray_that_others_started_has_its_own_ports(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert "RAY_ADDRESS: names '10.0.0.1:6379'" in utp("up", "--gcs-port", "7000", code=2)


def test_down_of_a_platform_that_is_down(folder: Path) -> None:
    assert utp("down") == "utp was not up\n"


def test_down_after_ray_died_leaves_no_run_shown_as_running(folder: Path) -> None:
    utp("run", "submit", "mine.yaml")
    run_id = str(listed()[0]["id"])
    database = open_database(Settings())
    Recorder(database).begin_submission(run_id)
    database.close()
    ray = {"pid": 2**22 + 1, "born_at": 0.0, "address": "a:1", "dashboard": "http://a:2", "temp_dir": "/no/ray"}
    (folder / "home" / "cluster.json").write_text(json.dumps({**ray, "token_file": "/no/token"}))
    output = utp("down")
    assert "1 run waits and goes on at the next `utp up`" in output
    assert listed()[0]["state"] == "queued"


def test_run_is_found_by_the_beginning_of_its_name_where_that_is_unique(folder: Path) -> None:
    utp("run", "submit", "mine.yaml", "--set", "model_suffix=slow")
    utp("run", "submit", "mine.yaml")
    names = sorted(str(run["name"]) for run in listed())
    assert json.loads(utp("run", "show", names[1], "--json"))["name"] == names[1]
    assert json.loads(utp("run", "show", names[1][:-1], "--json"))["name"] == names[1]
    output = " ".join(utp("run", "show", "vit", code=2).split())
    assert "may mean several" in output
    assert all(name in output for name in names)


def test_list_shows_the_states_asked_for(folder: Path) -> None:
    utp("run", "submit", "mine.yaml")
    assert len(json.loads(utp("run", "list", "--state", "queued", "--state", "running", "--json"))) == 1
    assert json.loads(utp("run", "list", "--state", "failed", "--json")) == []


def test_list_fits_80_columns_and_a_run_a_line(folder: Path) -> None:
    utp("run", "submit", "mine.yaml", "--set", "model_suffix=" + "long_" * 12)
    lines = [line.rstrip() for line in utp("run", "list").splitlines() if "queued" in line]
    assert len(lines) == 1
    assert len(lines[0]) <= 80
    assert "…" in lines[0]


def test_list_in_a_narrow_terminal_keeps_the_state_and_the_id(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    utp("run", "submit", "mine.yaml", "--set", "model_suffix=" + "long_" * 12)
    run_id = str(listed()[0]["id"])
    monkeypatch.setattr("utp.entrypoints.run_commands.stdout", Console(width=50))
    (line,) = (line for line in utp("run", "list").splitlines() if "queued" in line)
    assert run_id[:12] in line
    assert len(line) <= 50


def test_one_run_is_not_compared(folder: Path) -> None:
    utp("run", "submit", "mine.yaml")
    assert "two or more are compared" in utp("run", "compare", str(listed()[0]["id"]), code=2)


def test_export_into_a_folder_names_a_file_in_it(folder: Path) -> None:
    utp("run", "submit", "mine.yaml")
    run = listed()[0]
    output = utp("run", "export", str(run["id"]), str(folder), code=2)
    assert f"is a folder; name a file, as {folder}/{run['name']}.utp.zip" in " ".join(output.split())


def test_comparison_has_the_differences_and_no_more(folder: Path) -> None:
    utp("run", "submit", "mine.yaml", "--set", "lr=0.1")
    utp("run", "submit", "mine.yaml", "--set", "lr=0.2")
    second, first = (str(run["id"]) for run in listed())
    assert json.loads(utp("run", "compare", first, second, "--json"))["config"] == {"lr": [0.1, 0.2]}
    assert max(map(len, utp("run", "compare", first, second).splitlines())) <= 80


def test_deletion_says_what_goes_and_asks(folder: Path) -> None:
    utp("run", "submit", "mine.yaml")
    run = listed()[0]
    kept = CliRunner().invoke(app, ["run", "delete", str(run["id"])], input="n\n")
    assert kept.exit_code == 1
    assert f"{run['name']}: 0 files" in kept.output
    assert len(listed()) == 1
    assert utp("run", "delete", str(run["id"]), "--yes") == f"deleted {run['name']}\n"
    assert listed() == []


def test_log_of_one_attempt_and_its_last_lines(folder: Path) -> None:
    utp("run", "submit", "mine.yaml")
    detail = json.loads(utp("run", "show", str(listed()[0]["id"]), "--json"))
    for attempt in (1, 2):
        log = Path(detail["run_dir"]) / "attempts" / str(attempt) / "rank1.log"
        log.parent.mkdir(parents=True)
        log.write_text(f"a {attempt}\nb {attempt}\nc {attempt}\n")
    words = ("run", "logs", detail["id"], "--rank", "1")
    assert utp(*words, "--attempt", "2", "--tail", "2") == "b 2\nc 2\n"
    assert utp(*words, "--attempt", "1") == "a 1\nb 1\nc 1\n"
    assert "has no log of rank 1 in attempt 3" in " ".join(utp(*words, "--attempt", "3", code=2).split())


def test_project_is_created_with_its_limit(folder: Path) -> None:
    utp("projects", "create", "fruit", "--max-gpus", "2")
    (project,) = json.loads(utp("projects", "--json"))
    assert (project["name"], project["max_gpus"]) == ("fruit", 2)


def test_project_keeps_what_is_not_changed(folder: Path) -> None:
    utp("projects", "create", "fruit", "--max-gpus", "2")
    utp("projects", "create", "fruit", "--description", "apples")
    utp("projects", "create", "fruit")
    (project,) = json.loads(utp("projects", "--json"))
    assert (project["description"], project["max_gpus"]) == ("apples", 2)
    utp("projects", "create", "fruit", "--no-max-gpus")
    (project,) = json.loads(utp("projects", "--json"))
    assert (project["description"], project["max_gpus"]) == ("apples", None)
    assert "exclude each other" in utp("projects", "create", "fruit", "--no-max-gpus", "--max-gpus", "1", code=2)


@pytest.mark.parametrize("address", ["foo", "http://", "http://[bad", "ftp://host", "http://host:99999"])
def test_server_whose_address_can_not_be_one_is_refused_at_once(
    folder: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UTP_TOKEN", "utp_x")
    get_settings.cache_clear()
    assert f"server: {address!r} is no address of one" in utp("run", "--server", address, "list", code=2)


@pytest.mark.parametrize("token", ["utp_\n", "utp_caf\u00e9"])
def test_token_that_can_not_be_one_is_refused_and_not_shown(
    folder: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UTP_TOKEN", token)
    get_settings.cache_clear()
    output = utp("run", "--server", "http://localhost:1", "list", code=2)
    assert "UTP_TOKEN: holds blanks" in output
    assert "utp_" not in output


def test_user_without_a_name_submits_by_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr("getpass.getuser", fail)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    utp("run", "submit", "mine.yaml")
    assert [run["owner"] for run in listed()] == ["uid-54321"]
