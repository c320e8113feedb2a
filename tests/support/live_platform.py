"""A platform as `utp up` makes it, on a real Ray: home, ports and mounts of its own, ended by its process ids."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from sqlalchemy import select

from utp.client.local_client import LocalClient
from utp.cluster.local_ray import LocalCluster, find_local, stop_local
from utp.cluster.warm_keeper import LOG_FILE
from utp.cluster.warm_protocol import socket_path
from utp.config.paths import RunPaths
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.core.data.sample_digits import write_digits
from utp.core.journal import read_json, read_rows
from utp.core.reporter import TIMING_FIELDS
from utp.settings import Settings
from utp.store.database import open_database
from utp.store.repositories.runs import RunDetail
from utp.store.states import LIVE, RunState
from utp.store.tables.job import Job

REPOSITORY = Path(__file__).resolve().parents[2]
NUM_CPUS = 8
"""As Ray counts them: runs that are held cost nothing, so several may be under way."""
UP_TRIES = 3
SECRET = "hf_canaryThatSingsNowhere"
"""What HF_TOKEN is to the workers."""
TIMEOUT_S = 600.0
"""A machine that many share takes twentyfold as long; a test that fails says after this time what it saw."""

CONFIG = TrainConfig(
    root="digits",
    model_flavour="builtin/resnet-micro",
    load_pretrained=False,
    max_datapoints_per_class=8,
    num_workers=0,
    epochs=3,
    batch_size=16,
    lr=3e-3,
    device="cpu",
    autocast_dtype="float32",
    num_threads=1,
    log_interval_steps=1,
    checkpoint_every_steps=2,
    loss="held_cross_entropy",
    plugins=("tests.support.held_loss",),  # never imported here: its name would be among the registry's
)
WITHOUT_BATCH_NORM = replace(
    CONFIG,
    model_flavour="builtin/vit-micro",  # a worker takes the statistics of batch norm over its own share
    augmentation="none",
    max_datapoints_per_class=(7, 8, 8, 8, 8, 8, 8, 8, 8, 8),
    epochs=1,
)
"""Of which several workers compute what one does, to rounding, with an odd number of images."""


class LivePlatform:
    """What tests do with a platform. A context: it is up inside."""

    up_options: tuple[str, ...] = ()
    """Of `utp up`, beside where it listens."""

    def __init__(
        self,
        folder: Path,
        *,
        has_web: bool = False,
        database_url: str | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.web_port = _free_ports(("web",))["web"] if has_web else None
        mounts = {"DATASETS_DIR": "datasets", "SHARED_LOGS_DIR": "shared", "UTP_CACHE_DIR": "cache", "UTP_HOME": "home"}
        values: dict[str, Any] = {name: folder / below for name, below in mounts.items()}
        if database_url is not None:
            values["UTP_DATABASE_URL"] = database_url
        self.settings = Settings.model_validate(values)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "UTP_"))},
            **{name: str(value) for name, value in values.items()},
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "platform"), str(REPOSITORY)]),
            "OMP_NUM_THREADS": "1",
            "UTP_SECRETS_FILE": str(folder / "secrets"),
            "UTP_PREEMPTION": "1",  # of runs whose priority differs, which no test has that is not about it
            **(more or {}),
        }
        self.ports = _free_ports(("gcs", "dashboard", "client", "agent"))
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            write_digits(self.folder / "datasets" / "digits")
            self.settings.home.mkdir()
            (self.folder / "secrets").touch(0o600)
            (self.folder / "secrets").write_text(f"HF_TOKEN={SECRET}\n")
            stack.callback(self.down)
            self.up()
            self.wait_warm()
            self.client = LocalClient(self.settings)
            stack.callback(self.client.database.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def up(self) -> None:
        """Start it; on a machine that many share Ray may give up at first, for its node has 30 s to register."""
        web = ["--no-web"] if self.web_port is None else ["--port", str(self.web_port)]
        options = [*web, "--num-cpus", str(NUM_CPUS), *self.port_options, *self.up_options]
        for _ in range(UP_TRIES - 1):
            with contextlib.suppress(AssertionError):
                self.utp("up", *options)
                return
        self.utp("up", *options)

    @property
    def port_options(self) -> list[str]:
        """Where `utp up` is to listen."""
        return [word for name, port in self.ports.items() for word in (f"--{name}-port", str(port))]

    def down(self) -> None:
        temp_dir = cluster.temp_dir if (cluster := find_local(self.settings.home)) else None
        stop_local(self.settings.home)
        if temp_dir is not None:
            shutil.rmtree(temp_dir, ignore_errors=True)

    def wait_warm(self) -> None:
        """Wait until this machine's warm server has all imported: on a loaded machine each job starts 20 s sooner."""
        log = socket_path(self.settings.home).with_name(LOG_FILE)
        wait_until(lambda: log.exists() and "warm: " in log.read_text(), "a warm server")

    def utp(self, *words: str) -> str:
        """Run a command as a person would; return what it wrote to stdout."""
        return self.run(sys.executable, "-m", "utp.entrypoints.cli", *words)

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        env = {**self.environment, **(environment or {})}
        done = subprocess.run(command, env=env, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def refused(self, *words: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command of `utp` that has to fail; return what it wrote."""
        return self.fails(sys.executable, "-m", "utp.entrypoints.cli", *words, environment=environment)

    def fails(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command that has to fail; return what it wrote."""
        env = {**self.environment, **(environment or {})}
        done = subprocess.run(command, env=env, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode != 0, f"{command} did not fail\n{done.stdout}"
        return done.stdout + done.stderr

    @property
    def cluster(self) -> LocalCluster:
        found = find_local(self.settings.home)
        assert found is not None
        return found

    @property
    def root(self) -> psutil.Process:
        """The process that all of Ray's descend from."""
        return psutil.Process(self.cluster.pid)

    @property
    def token(self) -> Mapping[str, str]:
        """Environment of whoever speaks to Ray itself."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": self.cluster.token_file}

    def submit(self, config: TrainConfig = CONFIG, **request: Any) -> str:
        """Queue a run; return its id."""
        return self.client.submit(config, RunRequest(**request), project="default", owner="ann").id

    def hold(self, name: str) -> Path:
        """Return a file that holds a run with `held(file)` until it is gone."""
        path = self.folder / f"{name}.hold"
        path.touch()
        return path

    def wait_held(self, hold: Path) -> int:
        """Wait until a run stands there; return the process id of who waits."""
        reached = hold.with_suffix(".reached")
        wait_until(lambda: reached.exists() and reached.read_text(), f"a run at {hold.name}")
        return int(reached.read_text())

    def wait(self, run_id: str, is_so: Callable[[RunDetail], bool], timeout_s: float = TIMEOUT_S) -> RunDetail:
        """Wait until something is so of a run; an end that nothing can follow is told at once."""
        deadline = time.monotonic() + timeout_s
        while not is_so(run := self.client.get(run_id)):
            is_over = run.state is not RunState.QUEUED and run.state not in LIVE
            if is_over or time.monotonic() > deadline:
                raise AssertionError(self.describe(run))
            time.sleep(0.2)
        return run

    def wait_ended(self, run_id: str, state: RunState = RunState.SUCCEEDED) -> RunDetail:
        """Wait until a run has ended so; return everything about it."""
        return self.wait(run_id, lambda run: run.state is state)

    def wait_heard(self, run_id: str) -> None:
        """Wait until a run's worker has heard what was wished of it just now: three beats are answered after it."""
        leases: set[float | None] = set()
        database = open_database(self.settings)
        query = select(Job.lease_until).where(Job.run_id == run_id).order_by(Job.attempt.desc()).limit(1)

        def look() -> bool:
            with database.read() as connection:
                leases.add(connection.scalar(query))
            return len(leases) > 3

        try:
            wait_until(look, "a worker's beats")
        finally:
            database.close()

    def describe(self, run: RunDetail) -> str:
        log = self.paths(run).attempt(run.attempt).log(rank=0) if run.attempt else Path("nowhere")
        tail = log.read_text(errors="replace")[-3000:] if log.exists() else "no log"
        return f"{run.state} ({run.wait_reason or run.message}), attempts {run.attempts}\n{tail}"

    def agents(self) -> set[str]:
        """Return the ids of the machines that are there."""
        return {agent.id for agent in self.client.agents() if agent.is_alive}

    def paths(self, run: RunDetail) -> RunPaths:
        return RunPaths(Path(run.run_dir), Path(run.checkpoint_dir))

    def processes(self, *words: str) -> list[psutil.Process]:
        """Return Ray's processes whose command line has all these words in it."""
        found = []
        for process in self.root.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                line = " ".join(process.cmdline())
                if all(word in line for word in words):
                    found.append(process)
        return found

    def worker(self, run: RunDetail, rank: int) -> psutil.Process:
        """Return the process of a rank: the one of Ray's that writes its log."""
        log = self.paths(run).attempt(run.attempt).log(rank)
        (found,) = (one for one in self.processes("ray::") if _writes(one, log))
        return found

    def driver(self, run_id: str) -> psutil.Process:
        """Return the process of a run's job."""
        (found,) = self.processes("utp.entrypoints.job", run_id)
        return found

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)


def _writes(process: psutil.Process, file: Path) -> bool:
    try:
        return Path(f"/proc/{process.pid}/fd/1").resolve() == file.resolve()
    except FileNotFoundError:
        return False


def held(hold: Path, config: TrainConfig = CONFIG, **options: Any) -> TrainConfig:
    """Return the config of a run that a file holds."""
    return replace(config, loss_options={"hold": str(hold), **options})


def rows_of(paths: RunPaths) -> list[dict[str, Any]]:
    """Return a run's metric rows without what differs between two equal runs."""
    other = {*TIMING_FIELDS, "attempt", "time"}
    return [{name: value for name, value in row.items() if name not in other} for row in read_rows(paths.metrics)]


def epoch_rows(paths: RunPaths) -> list[dict[str, Any]]:
    """Return the rows of a run's epochs."""
    return [row for row in rows_of(paths) if row["kind"] == "epoch"]


def result_of(paths: RunPaths) -> dict[str, Any]:
    """Return a run's `result.json`."""
    return read_json(paths.result)


def wait_until(is_so: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not come within {timeout_s:g} s"
        time.sleep(0.1)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has asked for yet counts."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """Below the kernel's own range (32768 and up), from which Ray's other processes take theirs meanwhile."""
    ports: dict[str, int] = {}
    candidates = iter(random.sample(range(20_000, 32_000), 100))
    for name in names:
        ports[name] = next(port for port in candidates if _is_free(port))
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
