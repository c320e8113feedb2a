"""A writer killed at any point where it waits for the disk, and many processes that write at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from utp.settings import Settings
from utp.store.database import open_database
from utp.store.engines import SQLITE_FILE
from utp.store.recorder import Recorder
from utp.store.repositories.run_queue import QueueRepository

pytestmark = [pytest.mark.fault, pytest.mark.process]

# Speaks of each run only when its transaction is committed.
SUBMIT = """
import sys
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import get_settings
from utp.store.database import open_database
from utp.store.recorder import Recorder

config = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)
recorder = Recorder(open_database(get_settings()))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    print(recorder.queue_run(config, RunRequest(), settings=get_settings()).id, flush=True)
"""


@pytest.fixture
def environment(tmp_path: Path, sqlite_template: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    shutil.copy(sqlite_template, tmp_path / "home" / SQLITE_FILE)
    mounts = {"UTP_HOME": str(tmp_path / "home"), "SHARED_LOGS_DIR": str(tmp_path), "DATASETS_DIR": str(tmp_path)}
    return {**mounts, "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: apt-get install strace")
@pytest.mark.parametrize("last", [1, 2, 6])
def test_crash_at_a_sync_of_the_disk_keeps_what_was_committed(environment: dict[str, str], last: int) -> None:
    inject = f"inject=fsync,fdatasync:signal=KILL:when={last}"
    strace = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject]
    command = [*strace, sys.executable, "-c", SUBMIT, "100"]
    done = subprocess.run(command, env=environment, input="go\n", capture_output=True, text=True, check=False)
    assert done.returncode in (-9, 137), done.stderr
    committed = done.stdout.split()[1:]
    file = Path(environment["UTP_HOME"]) / SQLITE_FILE
    with dbapi2.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = {row[0] for row in connection.execute("SELECT id FROM runs")}
        assert set(committed) <= rows
        assert len(rows) <= len(committed) + 1
        events = "SELECT count(*) FROM run_events WHERE new_state = 'queued'"
        assert connection.execute(events).fetchone() == (len(rows),)
    connection.close()
    database = open_database(Settings.model_validate(environment))
    again = Recorder(database).set_project("and it goes on")
    assert again
    database.close()


def test_processes_that_race_for_one_name_get_different_ones(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", SUBMIT, "8"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen(command, env=environment, **pipes) for _ in range(2)]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    outputs = [racer.communicate("go\n")[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    database = open_database(Settings.model_validate(environment))
    queued = QueueRepository(database).queued()
    database.close()
    assert {row.run_id for row in queued} == set("".join(outputs).split())
    names = {row.name for row in queued}
    assert len(names) == 16
    assert {path.name for path in Path(environment["SHARED_LOGS_DIR"]).glob("runs/fruit/*")} == names
