"""A job in a fork of the warm server: streams, surroundings, signals, endings. The children only pretend to train."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from utp.cluster.warm_protocol import AUTH_MODE, socket_path
from utp.settings import Settings

pytestmark = pytest.mark.process

ERRORS = "server.err"

SERVER = """
import json, os, signal, sys, time
from pathlib import Path
from utp.cluster.warm_orphans import Orphans
from utp.cluster.warm_server import WarmServer

def run(spec):
    config = spec["config"]
    print("child", os.environ.get("MARK"), os.getcwd(), sys.argv[1:], config["run_name"], flush=True)
    print("to stderr", file=sys.stderr, flush=True)
    def say(number, frame):
        print("signal", signal.Signals(number).name, flush=True)
        os._exit(5) if config["run_name"] == "dies" else sys.exit(7)
    signal.signal(signal.SIGTERM, say)
    Path("pid").write_text(str(os.getpid()))
    while config["run_name"] != "quick":
        time.sleep(0.02)
    return 3

server = WarmServer(Path(sys.argv[1]), run, Orphans(grace_s=0.5))
server.open()
print("open", flush=True)
server.serve()
"""
CLIENT = """
import itertools, sys
from pathlib import Path
from utp.cluster.job_spec import JobSpec
from utp.cluster.warm_client import train_warm
from utp.cluster import kernel_oom, warm_protocol
from utp.config.paths import RunPaths
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import get_settings
if sys.argv[2] == "other-code":
    warm_protocol.code_version = lambda: "other"
if sys.argv[2] == "oom":
    kernel_oom.count_oom_kills = itertools.count().__next__
config = TrainConfig(root="x", model_flavour="y", run_name=sys.argv[1])
spec = JobSpec(config, RunRequest(), RunPaths(Path("r"), Path("c")), 1, None)
code = train_warm(spec, get_settings(), lambda sentence: print("note:", sentence, flush=True))
assert "torch" not in sys.modules and "ray" not in sys.modules
print("code", code, flush=True)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    path = socket_path(home)
    command = [sys.executable, "-c", SERVER, str(path)]
    environment = {name: value for name, value in os.environ.items() if name != AUTH_MODE}
    with (
        (home / ERRORS).open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as server,
    ):
        assert server.stdout is not None
        assert server.stdout.readline() == "open\n"
        yield home
        server.kill()


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    def start_client(name: str, code: str = "same", **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT, name, code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, AUTH_MODE: "", "UTP_HOME": str(home), **environment},
        )

    return start_client


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def child_pid(folder: Path) -> int:
    wait_until(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
    return int((folder / "pid").read_text())


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_child_has_the_jobs_streams_surroundings_and_gives_its_exit_code(tmp_path: Path, start: Any) -> None:
    output, errors = start("quick", MARK="ours").communicate(timeout=60)
    assert output == f"child ours {tmp_path} ['quick', 'same'] quick\ncode 3\n"
    assert errors == "to stderr\n"


def test_signal_reaches_the_child_and_its_answer_is_heard(tmp_path: Path, start: Any) -> None:
    client = start("waits")
    child_pid(tmp_path)
    client.send_signal(signal.SIGTERM)
    output, _ = client.communicate(timeout=60)
    assert output.endswith("signal SIGTERM\ncode 1\n")  # SystemExit is no result


def test_child_dies_with_a_job_that_is_killed(tmp_path: Path, start: Any) -> None:
    client = start("waits")
    pid = child_pid(tmp_path)
    client.kill()
    client.communicate(timeout=60)
    wait_until(lambda: is_gone(pid))


def test_child_that_is_stopped_does_not_outlive_its_job(tmp_path: Path, start: Any) -> None:
    client = start("waits")
    pid = child_pid(tmp_path)
    os.kill(pid, signal.SIGSTOP)
    client.kill()
    client.communicate(timeout=60)
    wait_until(lambda: is_gone(pid))


def test_child_that_is_killed_ends_the_job_as_if_it_had_been_killed_itself(tmp_path: Path, start: Any) -> None:
    client = start("waits")
    os.kill(child_pid(tmp_path), signal.SIGKILL)
    output, _ = client.communicate(timeout=60)
    assert "died without a word" in output
    assert output.endswith("code 137\n")


def test_child_that_is_killed_with_a_signal_unread_does_so_too(tmp_path: Path, start: Any) -> None:
    client = start("waits")
    pid = child_pid(tmp_path)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "T")
    client.send_signal(signal.SIGTERM)
    time.sleep(0.5)  # until it was relayed
    os.kill(pid, signal.SIGKILL)
    output, errors = client.communicate(timeout=60)
    assert output.endswith("code 137\n")
    assert "Traceback" not in errors


def test_child_that_the_kernel_killed_for_memory_leaves_that_as_the_cause(tmp_path: Path, start: Any) -> None:
    client = start("waits", "oom")
    os.kill(child_pid(tmp_path), signal.SIGKILL)
    output, _ = client.communicate(timeout=60)
    assert output.endswith("code 137\n")
    result = json.loads((tmp_path / "r" / "attempts" / "1" / "result.json").read_text())
    assert (result["outcome"], result["kind"]) == ("failed", "oom_host")
    assert "lower batch_size" in result["message"]


def test_server_that_was_started_without_rays_token_is_not_used(start: Any) -> None:
    output, _ = start("quick", RAY_AUTH_MODE="token").communicate(timeout=60)
    told = "the warm server was started with RAY_AUTH_MODE=unset, this job with token; starting cold"
    assert output == f"note: {told}\ncode None\n"


def test_job_that_went_away_early_is_a_line_in_the_servers_log(home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(socket_path(home)))
    wait_until(lambda: "a job went away before it was taken over" in (home / ERRORS).read_text())
    assert "Traceback" not in (home / ERRORS).read_text()


def test_server_with_other_code_is_not_used(start: Any) -> None:
    output, _ = start("quick", "other-code").communicate(timeout=60)
    assert "note: the warm server holds other code than this job's; starting cold" in output
    assert output.endswith("code None\n")


def test_without_a_server_a_job_starts_cold(tmp_path: Path, start: Any) -> None:
    output, _ = start("quick", UTP_HOME=str(tmp_path)).communicate(timeout=60)
    assert output == "note: no warm server runs on this machine; starting cold\ncode None\n"


def test_socket_of_a_dead_server_is_not_waited_for(tmp_path: Path, start: Any) -> None:
    path = socket_path(tmp_path)
    path.parent.mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-c", f"import socket; socket.socket(socket.AF_UNIX).bind({str(path)!r})"], check=True
    )
    output, _ = start("quick", UTP_HOME=str(tmp_path)).communicate(timeout=60)
    assert "note: the warm server is gone" in output
    assert output.endswith("code None\n")


def test_only_this_user_may_open_the_socket(home: Path) -> None:
    path = socket_path(Settings(UTP_HOME=home).home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
