"""Two real processes with a process group (gloo, or NCCL with a GPU each), which run functions together."""

from __future__ import annotations

import datetime
import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess, SpawnProcess
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from utp.core.data.worker_server import start_worker_server

TIMEOUT_S = 120
TRIES = 3
"""On a machine that many share gloo may fail to connect its processes; what is tested comes after that."""


class NotConnected(Exception):
    """The processes did not come together."""


class WorkerGroup:
    """Processes that stay; each call opens a group of its own, so that what one breaks the next does not see."""

    def __init__(self, size: int = 2, backend: str = "gloo") -> None:
        context: Any = start_worker_server()
        self._workers: list[tuple[ForkServerProcess | SpawnProcess, Connection]] = []
        for rank in range(size):
            ours, theirs = multiprocessing.Pipe()
            process = context.Process(target=_serve, args=(rank, size, backend, theirs), daemon=True)
            process.start()
            self._workers.append((process, ours))

    def run(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """Return what `function(*args)` returned on each rank; an error that it raised is returned, too."""
        for _ in range(TRIES):
            answers = self._run_once(function, *args)
            if not any(isinstance(answer, NotConnected) for answer in answers):
                return answers
        raise AssertionError(f"no connection: {answers}")

    def _run_once(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        with tempfile.TemporaryDirectory() as folder:
            for _, connection in self._workers:
                connection.send((function, args, str(Path(folder) / "rendezvous")))
            answers = []
            for process, connection in self._workers:
                if not connection.poll(2 * TIMEOUT_S):
                    raise TimeoutError(f"process {process.pid} hangs")
                answers.append(connection.recv())
        return answers

    def close(self) -> None:
        for process, connection in self._workers:
            connection.close()
            process.join(10)
            process.kill()


def _serve(rank: int, size: int, backend: str, connection: Connection) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    if backend == "nccl":
        torch.cuda.set_device(rank)
    while True:
        try:
            function, args, rendezvous = connection.recv()
        except EOFError:
            return
        timeout = datetime.timedelta(seconds=TIMEOUT_S)
        store = distributed.FileStore(rendezvous, size)
        try:
            distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)
        except RuntimeError as error:
            connection.send(NotConnected(str(error)))
            continue
        try:
            answer = function(*args)
        except Exception as error:  # noqa: BLE001 - the edge of a process
            traceback.print_exc()
            answer = error
        distributed.destroy_process_group()
        connection.send(answer)
