"""The rank's log: what Python and C write, stacks on request, and its echo in the job's own output."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from utp.cluster import rank_log
from utp.cluster.rank_log import LogEcho

PROGRAM = """
import ctypes, os, signal, sys
from pathlib import Path
from utp.cluster.rank_log import LogEcho, redirect_output
path = Path(sys.argv[1])
echo = LogEcho(path, redirect_output(path))
echo.start()
print("from Python")
ctypes.CDLL(None).puts(b"from C \\xff")
ctypes.CDLL(None).fflush(None)
os.kill(os.getpid(), signal.SIGUSR1)
echo.close()
if sys.argv[2] == "crash":
    print("last words")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.process
@pytest.mark.parametrize("ending", ["leave", "crash"])
def test_log_holds_all_that_a_process_writes_and_the_job_shows_it(tmp_path: Path, ending: str) -> None:
    log = tmp_path / "attempts" / "1" / "rank0.log"
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(log), ending], capture_output=True, check=False)
    content = log.read_bytes()
    assert b"from Python\nfrom C \xff\n" in content
    assert b"most recent call first" in content  # SIGUSR1 shows where the threads stand
    assert content.startswith(done.stdout)
    assert b"from C \xff\n" in done.stdout
    if ending == "crash":
        assert done.returncode == -signal.SIGKILL
        assert content.endswith(b"last words\n")


def test_echo_begins_with_what_comes_after_it(tmp_path: Path) -> None:
    log, shown = tmp_path / "log", tmp_path / "shown"
    log.write_bytes(b"of an earlier process\n")
    with shown.open("wb") as target, log.open("ab", buffering=0) as source:
        echo = LogEcho(log, target.fileno())
        echo.start()
        source.write(b"now\n" * 50_000)
        echo.close()
    assert shown.read_bytes() == b"now\n" * 50_000


def test_echo_of_a_flood_is_its_beginning_and_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_log, "MAX_ECHO_BYTES", 1 << 20)
    log, shown = tmp_path / "log", tmp_path / "shown"
    with shown.open("wb") as target, log.open("ab", buffering=0) as source:
        echo = LogEcho(log, target.fileno())
        echo.start()
        for number in range(100_000):
            source.write(f"line {number:06} of a run that writes without end\n".encode())
        source.write(b"ValueError: what it died of\n")
        echo.close()
    content = shown.read_bytes()
    assert len(content) < (1 << 20) + (64 << 10) + 1000
    assert content.startswith(b"line 000000 of a run")
    assert f"utp: more than {1 << 20} bytes; the rest is in {log}\n".encode() in content
    assert content.endswith(b"line 099999 of a run that writes without end\nValueError: what it died of\n")
