"""A process with the imports done that forks children: each is a process of its own, there within milliseconds.

Importing torch and what stands on it costs several seconds; a test that kills twenty processes would spend minutes so.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self


@dataclass
class Child:
    """One forked process; `out` is the file with all that it wrote."""

    pid: int
    out: Path
    server: WarmProcess
    code: int | None = None

    def wait(self) -> int:
        """Return its exit code, negative for a signal, once it has ended."""
        if self.code is None:
            self.code = self.server.ask({"wait": self.pid})
        return self.code

    def has_ended(self) -> bool:
        """Whether it is dead; its parent, the warm process, need not have noticed."""
        if self.code is None:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
            return stat.rpartition(")")[2].split()[0] == "Z"
        return True


class WarmProcess:
    """Forks children that call a function; a context, whose end kills the children that are left."""

    def __init__(self, modules: Iterable[str], setup: str | None = None) -> None:
        search_path = os.pathsep.join(path for path in sys.path if path)
        command = [sys.executable, __file__, json.dumps({"modules": [*modules], "setup": setup})]
        environment = {
            **os.environ,
            "PYTHONPATH": search_path,
            "OMP_NUM_THREADS": "1",
        }  # OpenMP's threads die in a fork
        self._server = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.communicate()

    def fork(self, target: str, *arguments: Any, out: Path, environment: Mapping[str, str] | None = None) -> Child:
        """Start a child that calls `module:function` with the arguments (JSON) and leaves with what it returns."""
        request = {"target": target, "arguments": arguments, "out": str(out), "environment": dict(environment or {})}
        return Child(self.ask(request), out, self)

    def ask(self, request: Mapping[str, Any]) -> int:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"{json.dumps(request)}\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())


def _serve() -> None:
    what = json.loads(sys.argv[1])
    for name in what["modules"]:
        importlib.import_module(name)
    if what["setup"]:
        _function(what["setup"])()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        elif (answer := os.fork()) == 0:
            _be_child(request)
        print(answer, flush=True)


def _be_child(request: Mapping[str, Any]) -> None:
    code = 1
    try:
        output = os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.environ.update(request["environment"])
        code = int(_function(request["target"])(*request["arguments"]) or 0)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:  # noqa: BLE001  the edge of the process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _function(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


if __name__ == "__main__":
    _serve()
