"""The journal of a run: what each attempt wrote, and the run-level files made from it.

An attempt writes only below `attempts/<n>/` (checkpoints aside). `assemble_run` makes the run's `metrics.jsonl`,
`figures/`, `predictions/` and `result.json` from the attempts; it may be called at any time, any number of times.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from utp.config.paths import RunPaths
from utp.core.durable import copy_durably, write_bytes_durably, write_json_durably
from utp.core.growing_file import GrowingFile
from utp.errors import AttemptSuperseded, AttemptTaken, ResumeRefused

if TYPE_CHECKING:  # it imports torch, and reading a journal has to need none
    from utp.core.reporter import MetricRow

START = "start.json"
LOCK = "alive.lock"

_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)


class AttemptJournal:
    """One attempt's own directory. Opening it makes the next attempt number this process's.

    Args:
        paths: of the run.
        number: of the attempt, where the platform hands it out; none takes the next one.
        config_changes: what this attempt's config changes in the run's: field to `{"was": ..., "is": ...}`.
        new_config: what is the run's config from this attempt's start on; none leaves it as it is.

    Raises:
        ResumeRefused: an attempt of this run is alive on this machine.
        AttemptTaken: the attempt of this number was started already.
        AttemptSuperseded: an attempt of a higher number has started.
    """

    def __init__(
        self,
        paths: RunPaths,
        number: int | None = None,
        config_changes: Mapping[str, Any] | None = None,
        new_config: Mapping[str, Any] | None = None,
    ) -> None:
        self.paths = paths
        self._new_config = new_config
        self._config_changes = dict(config_changes or {})
        if number is None:
            _refuse_live_attempt(paths)
            self.number = _claim_next_attempt(paths)
        else:  # an older attempt that is alive is kept from writing by the fence
            self.number = _claim_attempt(paths, number)
        self.directory = paths.attempt(self.number).directory
        # Held as long as this process lives; the kernel frees it also after kill -9. A hint on one machine only:
        # what keeps two writers apart everywhere is the fence.
        self._lock = (self.directory / LOCK).open("w")
        _take_lock(self._lock)
        self._metrics = GrowingFile(paths.attempt(self.number).metrics)
        self._log = GrowingFile(paths.attempt(self.number).log(rank=0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._metrics, self._log, self._lock):
            file.close()

    def write_start(self, resumed_step: int) -> None:
        """Record when, where, with what changes and from which step it starts; later rows of earlier ones are void."""
        start = {
            "schema_version": 1,
            "attempt": self.number,
            "started_at": utc_now(),
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "resumed_step": resumed_step,
            "config_changes": self._config_changes,
        }
        write_json_durably(self.directory / START, start)
        if self._new_config is not None:  # not before: an attempt that is refused changes nothing
            write_json_durably(self.paths.config, self._new_config)

    @property
    def refusal(self) -> OSError | None:
        """Why rows wait in memory, as they do while the disk is full; none where all are in the file."""
        return self._metrics.refusal

    def append_row(self, row: MetricRow) -> dict[str, Any]:
        """Append one row, with attempt and time added; return what was appended."""
        stamped = {**row, "attempt": self.number, "time": utc_now()}
        self._metrics.append(f"{json.dumps(stamped, allow_nan=False, ensure_ascii=False)}\n".encode())
        return stamped

    def append_log(self, text: str) -> None:
        """Append to the attempt's log."""
        self._log.append(f"{utc_now()} {text}\n".encode(errors="replace"))

    def sync(self) -> None:
        """Make the rows so far durable. Raises `OSError` where the disk refuses."""
        self._metrics.sync()

    def check_fence(self) -> None:
        """Raise `AttemptSuperseded` if a later attempt of this run has started anywhere."""
        newest = max(attempt_numbers(self.paths))
        if newest != self.number:
            raise AttemptSuperseded(self.paths.name, self.number, newest)

    def write_result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Record how this attempt ended, the last word on it; return what was written."""
        self.sync()
        content = {"schema_version": 1, "attempt": self.number, "ended_at": utc_now(), **result}
        write_json_durably(self.paths.attempt(self.number).result, content)
        return content


def write_failure(paths: RunPaths, number: int, failure: Mapping[str, Any]) -> dict[str, Any]:
    """Say of an attempt that failed how, where it could not itself; what it said besides stays. Return all of it."""
    path = paths.attempt(number).result
    path.parent.mkdir(parents=True, exist_ok=True)  # it may have died before it made that
    content = {"schema_version": 1, "attempt": number, "ended_at": utc_now(), **read_json(path), **failure}
    write_json_durably(path, content)
    assemble_run(paths)
    return content


def assemble_run(paths: RunPaths) -> None:
    """Make the run-level files from the attempts' journals. Idempotent; a torn last line is ignored."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    result: dict[str, Any] = {}
    for number in attempt_numbers(paths):
        attempt = paths.attempt(number)
        result = read_json(attempt.result)
        resumed_step = read_json(attempt.directory / START).get("resumed_step")
        if resumed_step is None:
            continue  # it died before its first step
        # What an earlier attempt did beyond the checkpoint that this one started from was done again.
        rows = {key: row for key, row in rows.items() if row["step"] <= resumed_step}
        rows.update({(row["kind"], row["step"]): row for row in read_rows(attempt.metrics)})
        if attempt.figures.is_dir():
            shutil.copytree(attempt.figures, paths.figures, dirs_exist_ok=True)
        for predictions in sorted(attempt.predictions.glob("*.parquet")):
            copy_durably(predictions, paths.predictions / predictions.name)
    if result:
        write_json_durably(paths.result, result)
    else:
        paths.result.unlink(missing_ok=True)  # the newest attempt is alive, or died without a word
    lines = (json.dumps(row, allow_nan=False, ensure_ascii=False) for row in rows.values())
    write_bytes_durably(paths.metrics, "".join(f"{line}\n" for line in lines).encode())


def attempt_numbers(paths: RunPaths) -> list[int]:
    """Return the numbers of the attempts so far, ascending."""
    if not paths.attempts.is_dir():
        return []
    return sorted(int(entry.name) for entry in paths.attempts.iterdir() if entry.name.isdecimal())


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a `metrics.jsonl`; lines that are torn or no rows are left out."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "kind" in row and "step" in row:
            yield row


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, empty where the file is missing or torn."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def utc_now() -> str:
    """Return the time as ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _claim_next_attempt(paths: RunPaths) -> int:
    paths.attempts.mkdir(exist_ok=True)
    number = max(attempt_numbers(paths), default=0) + 1
    while True:
        try:
            paths.attempt(number).directory.mkdir()
        except FileExistsError:
            number += 1
        else:
            return number


def _claim_attempt(paths: RunPaths, number: int) -> int:
    directory = paths.attempt(number).directory
    directory.mkdir(parents=True, exist_ok=True)  # its log may be there already
    newest = max(attempt_numbers(paths))
    if newest != number:
        raise AttemptSuperseded(paths.name, number, newest)
    try:
        (directory / LOCK).open("x").close()
    except FileExistsError:
        raise AttemptTaken(paths.name, f"attempt {number} was started already; retry the run") from None
    return number


def _refuse_live_attempt(paths: RunPaths) -> None:
    for number in attempt_numbers(paths):
        lock = paths.attempt(number).directory / LOCK
        if not lock.exists():
            continue
        with lock.open("r+") as file:
            try:
                _take_lock(file)
            except BlockingIOError:
                pid = read_json(lock.with_name(START)).get("pid", "unknown")
                reason = f"attempt {number} is still running (process {pid}); stop it first with Ctrl-C or `kill {pid}`"
                raise ResumeRefused(paths.name, reason) from None


def _take_lock(file: IO[str]) -> None:
    """Lock the file until it is closed; on a file system without locks (Lustre, some NFS) the fence alone has to do.

    Raises `BlockingIOError` where another process holds it.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
