from __future__ import annotations

import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from utp.cluster import local_ray
from utp.cluster.local_ray import (
    START_TRIES,
    LocalCluster,
    PortBusy,
    Ports,
    RayDidNotStart,
    find_local,
    make_token,
    start_local,
    stop_local,
)
from utp.core.durable import write_json_durably

GONE = {
    "pid": 2**22 + 1,  # above the kernel's largest
    "born_at": 0.0,
    "address": "127.0.0.1:1",
    "dashboard": "http://127.0.0.1:2",
    "temp_dir": "/nowhere/ray",
    "token_file": "/nowhere/token",
}


def test_token_is_for_its_owner_alone_and_made_once(tmp_path: Path) -> None:
    path = make_token(tmp_path)
    first = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(first) == 64
    assert make_token(tmp_path).read_text() == first


def test_token_that_others_could_read_is_closed_again(tmp_path: Path) -> None:
    make_token(tmp_path).chmod(0o644)
    assert stat.S_IMODE(make_token(tmp_path).stat().st_mode) == 0o600


def test_busy_port_is_named_with_its_holder_and_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortBusy, match=rf"port {port} \(dashboard\) is in use by .*utp up --dashboard-port N"):
            start_local(tmp_path, Ports(gcs=_free_port(), dashboard=port))
    assert find_local(tmp_path) is None


def test_record_of_a_later_version_is_read(tmp_path: Path) -> None:
    write_json_durably(tmp_path / "cluster.json", {**GONE, "colour": "green"})
    assert find_local(tmp_path) == LocalCluster(**GONE)  # type: ignore[arg-type]


def test_dead_ray_is_known_as_dead_and_forgotten_by_down(tmp_path: Path) -> None:
    write_json_durably(tmp_path / "cluster.json", GONE)
    assert find_local(tmp_path) == LocalCluster(**GONE)  # type: ignore[arg-type]
    assert not LocalCluster(**GONE).is_alive  # type: ignore[arg-type]
    assert stop_local(tmp_path)
    assert find_local(tmp_path) is None


def test_agent_that_outlived_its_ray_is_ended_by_down(tmp_path: Path) -> None:
    script = "exec -a ray::DashboardAgent sleep 100 & echo $!; wait"
    command = ["bash", "-c", script]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True) as ray:
        assert ray.stdout is not None
        agent = psutil.Process(int(ray.stdout.readline()))
        wait_until(lambda: "ray::DashboardAgent" in agent.cmdline())
        dead = {**GONE, "pid": ray.pid, "born_at": psutil.Process(ray.pid).create_time()}
        ray.kill()
    write_json_durably(tmp_path / "cluster.json", dead)
    assert stop_local(tmp_path)
    assert not agent.is_running() or agent.status() == psutil.STATUS_ZOMBIE


def test_process_of_a_session_that_got_the_number_later_is_left_alone(tmp_path: Path) -> None:
    command = ["bash", "-c", "exec -a ray::other sleep 100"]
    with subprocess.Popen(command, start_new_session=True) as other:
        wait_until(lambda: "ray::other" in psutil.Process(other.pid).cmdline())
        write_json_durably(tmp_path / "cluster.json", {**GONE, "pid": other.pid})
        assert stop_local(tmp_path)
        assert other.poll() is None
        other.kill()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_pid_given_out_again_is_not_taken_for_ray() -> None:
    assert not LocalCluster(**{**GONE, "pid": 1}).is_alive  # type: ignore[arg-type]


@pytest.mark.parametrize(("num_failures", "comes_up"), [(START_TRIES - 1, True), (START_TRIES, False)])
def test_ray_that_gives_up_at_its_start_is_started_again_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_failures: int, comes_up: bool
) -> None:
    answers = iter([*[RayDidNotStart("log", "exit code 1")] * num_failures, LocalCluster(**GONE)])  # type: ignore[arg-type]

    def start_once(*_: object) -> LocalCluster:
        answer = next(answers)
        if isinstance(answer, RayDidNotStart):
            raise answer
        return answer

    monkeypatch.setattr(local_ray, "_start_once", start_once)
    ports = Ports(gcs=_free_port(), dashboard=_free_port(), client=_free_port(), agent=_free_port())
    if comes_up:
        assert start_local(tmp_path, ports) == LocalCluster(**GONE)  # type: ignore[arg-type]
    else:
        with pytest.raises(RayDidNotStart):
            start_local(tmp_path, ports)


def test_down_without_up_does_nothing(tmp_path: Path) -> None:
    assert not stop_local(tmp_path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
