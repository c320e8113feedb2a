"""A Ray of our own on this machine: started, found again, and ended by its processes, never by a name."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil

from utp.core.durable import write_json_durably
from utp.core.journal import read_json
from utp.errors import FailureKind, UtpError

CLUSTER_FILE = "cluster.json"
TOKEN_FILE = "ray-auth-token"  # noqa: S105  a name, not the secret
LOG_FILE = "ray.log"
LOOPBACK = "127.0.0.1"
OBJECT_STORE_BYTES = 200_000_000
"""Nothing large goes through Ray's object store; by default it takes 30 % of the memory."""
START_TIMEOUT_S = 240.0
"""11 s on a quiet machine, 56 s on a loaded one."""
START_TRIES = 6
"""Ray itself gives up where its node does not register within 30 s, which no setting changes (`_private/node.py`)."""
ANSWER_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 15.0
MAX_TEMP_DIR = 40
"""Characters: Ray's sockets lie 65 deeper, and a socket's path may have 107 (unix(7))."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What Ray listens on, all on loopback."""

    gcs: int = 6379
    dashboard: int = 8265
    client: int = 10001
    agent: int = 52365

    def as_options(self) -> list[str]:
        """Return the options of `ray start`."""
        return [
            f"--port={self.gcs}",
            f"--dashboard-port={self.dashboard}",
            f"--ray-client-server-port={self.client}",
            f"--dashboard-agent-listen-port={self.agent}",
        ]


@dataclass(frozen=True, kw_only=True)
class LocalCluster:
    """A Ray that `utp up` started: what `cluster.json` says of it."""

    pid: int
    born_at: float
    """When the process started, seconds since 1970: a pid may be given out again."""
    address: str
    """`host:port`, as in RAY_ADDRESS."""
    dashboard: str
    temp_dir: str
    token_file: str
    is_ready: bool = False
    """`utp up` has come to its end: the actors are there."""

    @property
    def is_alive(self) -> bool:
        """Whether its process is there."""
        return _find_process(self.pid, self.born_at) is not None


class PortBusy(UtpError):
    """A port that Ray needs is in use."""

    kind = FailureKind.USER_ERROR

    def __init__(self, field: str, port: int, holder: str) -> None:
        super().__init__(field, port, holder)
        self.field = field
        self.port = port
        self.holder = holder

    def __str__(self) -> str:
        option = f"--{self.field}-port"
        return (
            f"port {self.port} ({self.field}) is in use by {self.holder}; end that, or name another: utp up {option} N"
        )


class RayDidNotStart(UtpError):
    """`ray start` gave up, or took too long."""

    def __init__(self, log: str, reason: str) -> None:
        super().__init__(log, reason)
        self.log = log
        self.reason = reason

    def __str__(self) -> str:
        return f"Ray did not start: {self.reason}; its output is in {self.log}"


def find_local(home: Path) -> LocalCluster | None:
    """Return the Ray that was started for this home, alive or not; none where there is no record of one."""
    content = read_json(home / CLUSTER_FILE)
    known = {field.name for field in fields(LocalCluster)}  # a later version may have written more
    return LocalCluster(**{name: value for name, value in content.items() if name in known}) if content else None


def start_local(home: Path, ports: Ports, *, num_cpus: int | None = None, num_gpus: int | None = None) -> LocalCluster:
    """Return the Ray of this home, started where none is alive; returns once it takes jobs.

    Args:
        home: where token, log and record lie; Ray's own files lie below it where the path is short enough.
        ports: to listen on.
        num_cpus: cores that Ray counts; none: those there are.
        num_gpus: GPUs that Ray counts; none: those there are.

    Raises:
        PortBusy: somebody else listens there.
        RayDidNotStart: see its log.
    """
    found = find_local(home)
    if found is not None and found.is_alive:
        return found
    if found is not None:
        stop_local(home)  # what a killed one may have left
    _check_ports(ports)
    home.mkdir(parents=True, exist_ok=True)
    token_file = make_token(home)
    temp_dir = _temp_dir(home)
    counted = [f"--num-cpus={num_cpus}"] if num_cpus is not None else []
    counted += [f"--num-gpus={num_gpus}"] if num_gpus is not None else []
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"),
        *(f"--node-ip-address={LOOPBACK}", f"--dashboard-host={LOOPBACK}", f"--temp-dir={temp_dir}"),
        *(f"--object-store-memory={OBJECT_STORE_BYTES}", *ports.as_options(), *counted),
    ]
    deadline = time.monotonic() + START_TIMEOUT_S
    for tries_left in reversed(range(START_TRIES)):
        try:
            return _start_once(home, [*command, *_agents_ports()], ports, temp_dir, token_file)
        except RayDidNotStart:
            if not tries_left or time.monotonic() > deadline:
                raise
    raise AssertionError("it has returned or raised")


def _start_once(home: Path, command: Sequence[str], ports: Ports, temp_dir: Path, token_file: Path) -> LocalCluster:
    with (home / LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_ray_env(token_file),
            start_new_session=True,  # Ctrl-C in this terminal is not meant for it
        )
    cluster = LocalCluster(
        pid=process.pid,
        born_at=psutil.Process(process.pid).create_time(),
        address=f"{LOOPBACK}:{ports.gcs}",
        dashboard=f"http://{LOOPBACK}:{ports.dashboard}",
        temp_dir=str(temp_dir),
        token_file=str(token_file),
    )
    write_json_durably(home / CLUSTER_FILE, asdict(cluster))
    use_token(cluster)
    _wait_until_up(cluster, process, home)
    return cluster


def note_ready(home: Path, cluster: LocalCluster) -> None:
    """Record that the platform is up on it."""
    write_json_durably(home / CLUSTER_FILE, asdict(replace(cluster, is_ready=True)))


def stop_local(home: Path) -> bool:
    """End every process of the Ray of this home, and forget it; False where there was none. All data stays."""
    cluster = find_local(home)
    if cluster is None:
        return False
    root = _find_process(cluster.pid, cluster.born_at)
    processes = [*(root.children(recursive=True) if root else []), *([root] if root else [])]
    processes += [one for one in _orphans(cluster) if one not in processes]
    for signal in ("terminate", "kill"):
        for process in processes:
            _signal(process, signal)
        _, processes = psutil.wait_procs(processes, timeout=STOP_TIMEOUT_S)
        if not processes:
            break
    (home / CLUSTER_FILE).unlink(missing_ok=True)
    return True


def use_token(cluster: LocalCluster) -> None:
    """Have this process, and what it starts, speak to the cluster with its token. Before anything connects to Ray."""
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN_PATH"] = cluster.token_file


def make_token(home: Path) -> Path:
    """Return the file of the token, made once, for its owner's eyes only: Ray itself would leave it to the umask."""
    path = home / TOKEN_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        return path
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path


def _ray_env(token_file: Path) -> dict[str, str]:
    """Jobs run `python`: that has to be this one. An address would make `ray start` join another cluster."""
    env = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_AUTH_TOKEN")}
    path = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token_file)}
    patience = {"RAY_agent_register_timeout_ms": "120000"}  # by default 15 s: on a loaded machine Ray gives up
    return {**env, **token, **patience, "PATH": path}


def _agents_ports() -> list[str]:
    """Name the ports of Ray's agents: for those that they choose themselves Ray waits 15 s, and kills its node then."""
    names = ("--dashboard-agent-grpc-port", "--metrics-export-port", "--runtime-env-agent-port")
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in names]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [f"{name}={probe.getsockname()[1]}" for name, probe in zip(names, probes, strict=True)]


def _temp_dir(home: Path) -> Path:
    below = home / "ray"
    if len(str(below)) <= MAX_TEMP_DIR:
        return below
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:8]
    short = Path(tempfile.gettempdir()) / f"utp-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    return short


def _check_ports(ports: Ports) -> None:
    for field, port in asdict(ports).items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                raise PortBusy(field, port, _holder(port)) from None


def _holder(port: int) -> str:
    """Who listens there, as far as this user may see."""
    try:
        connections: Sequence[Any] = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return "another process"
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return "another process"


def _wait_until_up(cluster: LocalCluster, process: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_answering(cluster):
        is_late = time.monotonic() > deadline
        if is_late or process.poll() is not None:
            reason = f"it did not answer for {START_TIMEOUT_S:g} s" if is_late else f"exit code {process.poll()}"
            stop_local(home)
            raise RayDidNotStart(str(home / LOG_FILE), reason)
        time.sleep(0.5)


def is_answering(cluster: LocalCluster) -> bool:
    """Whether jobs can be asked for and the node is there: the dashboard is, before Ray waits for its node.

    Without Ray's own client, which learns of the token when it is imported.
    """
    try:
        _get(cluster, "/api/jobs/")
        return b"ALIVE" in _get(cluster, "/nodes?view=summary")
    except (HTTPException, OSError):  # the former where something else than HTTP listens there by now
        return False


def _get(cluster: LocalCluster, path: str) -> bytes:
    token = Path(cluster.token_file).read_text()
    request = Request(f"{cluster.dashboard}{path}", headers={"Authorization": f"Bearer {token}"})  # noqa: S310  http
    with urlopen(request, timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


def _find_process(pid: int, born_at: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        is_it = abs(process.create_time() - born_at) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if is_it else None


def _orphans(cluster: LocalCluster) -> list[psutil.Process]:
    """Ray's own processes that outlived their parent.

    They name the folder of this Ray, which is ours alone, or are of its session in the kernel's sense, whose number is
    not given out again while there is one: an agent goes by `ray::DashboardAgent`, keeps its port, and names nothing.
    """
    owns_session = _owns_session(cluster)
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        is_of_session = owns_session and "ray" in line and _session(process.pid) == cluster.pid
        if process.pid != os.getpid() and (is_of_session or f"{cluster.temp_dir}/session_" in line):
            found.append(process)
    return found


def _owns_session(cluster: LocalCluster) -> bool:
    """Whether nobody else has the number of its first process by now."""
    try:
        return abs(psutil.Process(cluster.pid).create_time() - cluster.born_at) < 1
    except psutil.NoSuchProcess:
        return True


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _signal(process: psutil.Process, name: str) -> None:
    try:
        getattr(process, name)()
    except psutil.NoSuchProcess:
        return
