"""What one worker of a job does: the core's `fit`, with the journal and the line to the head where it is rank 0."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import ray.train

from utp.cluster.cluster_reporter import ClusterReporter
from utp.cluster.head_channel import find_head
from utp.cluster.head_line import Connect, HeadLine
from utp.cluster.job_spec import JobSpec
from utp.cluster.log_shipper import LogShipper
from utp.cluster.run_channel import RunChannel
from utp.cluster.stack_watch import StackWatch
from utp.core.attempt import EarlyNotes, build_task, describe_failure, follow_attempt, train_attempt
from utp.core.distributed import is_first_rank, rank, world_size
from utp.core.durable import write_json_durably
from utp.core.journal import AttemptJournal, utc_now
from utp.core.rank_reporter import RankReporter
from utp.core.reporter import MetricRow
from utp.errors import AttemptTaken
from utp.settings import get_settings, let_idle_threads_sleep

FAILURE_FILE = "rank{}.failure.json"
"""In the attempt's directory: how a worker failed, for whoever looks for the first one."""

SHIPPING_S = 5.0
"""A worker that ends waits so long for the head to take the rest of its files; it can read them later, too."""


def run_worker(
    spec: JobSpec, *, is_signalled: Callable[[], bool] = lambda: False, connect: Connect = find_head
) -> Mapping[str, Any]:
    """Train as the rank that this process is; return how it ended. A failure is recorded and raised again."""
    let_idle_threads_sleep()
    try:
        with StackWatch() as watch:
            if is_first_rank():
                return _lead(spec, is_signalled, connect, watch)
            return _follow(spec, connect, watch)
    except AttemptTaken:
        raise
    except BaseException as error:
        content = {
            **describe_failure(error),
            "rank": rank(),
            "host": os.uname().nodename,
            "failed_at": utc_now(),
            "traceback": "".join(traceback.format_exception(error)),
        }
        write_json_durably(spec.attempt_dir / FAILURE_FILE.format(rank()), content)
        raise


def _lead(spec: JobSpec, is_signalled: Callable[[], bool], connect: Connect, watch: StackWatch) -> Mapping[str, Any]:
    if spec.run_id is None:
        connect = _no_head
    with AttemptJournal(spec.paths, spec.attempt) as journal:
        name = (spec.run_id or "", spec.attempt, spec.paths.name)
        line = HeadLine(connect, name, spec.stop_file, journal.append_log)
        line.start()
        attempt = spec.paths.attempt(spec.attempt)
        files = {path.name: path for path in (attempt.log(rank=0), attempt.metrics)}
        shipper = LogShipper(line.send, files, get_settings().max_log_bytes)
        shipper.start()
        result: Mapping[str, Any] = {}
        try:
            result = _train(spec, journal, line, is_signalled, watch)
        except BaseException as error:
            result = describe_failure(error) if world_size() == 1 else {}  # of several, the driver finds the cause
            raise
        finally:
            shipper.close(SHIPPING_S)
            line.close(result)
    return result


def _train(
    spec: JobSpec, journal: AttemptJournal, line: HeadLine, is_signalled: Callable[[], bool], watch: StackWatch
) -> Mapping[str, Any]:
    line.tell_progress(0, 0, "building")
    try:
        task = build_task(spec.config, get_settings(), _ignore_scan, EarlyNotes(journal.append_log))
    except Exception as error:
        journal.append_log("".join(traceback.format_exception(error)))
        journal.write_result(describe_failure(error))
        raise
    try:
        reporter = ClusterReporter(journal, line, is_signalled, report_epoch, watch.note_progress)
        return train_attempt(
            spec.config, task, journal, reporter, check_lease=line.check_lease, name_stop=reporter.name_stop
        )
    finally:
        task.close()


def _follow(spec: JobSpec, connect: Connect, watch: StackWatch) -> Mapping[str, Any]:
    log = spec.paths.attempt(spec.attempt).log(rank())
    shipper = LogShipper(_Sender(spec, connect).send, {log.name: log}, get_settings().max_log_bytes)
    shipper.start()
    try:
        return _train_beside(spec, watch)
    finally:
        shipper.close(SHIPPING_S)


def _train_beside(spec: JobSpec, watch: StackWatch) -> Mapping[str, Any]:
    task = build_task(spec.config, get_settings(), _ignore_scan, EarlyNotes(_note))
    try:
        reporter = RankReporter(_note, report_epoch, watch.note_progress)
        result = follow_attempt(spec.config, task, spec.paths, spec.attempt, reporter)
    finally:
        task.close()
    return {"outcome": result.outcome}


class _Sender:
    """Brings a file of a worker beside rank 0 to the head."""

    def __init__(self, spec: JobSpec, connect: Connect) -> None:
        self._spec = spec
        self._connect = connect
        self._channel: RunChannel | None = None

    def send(self, stream: str, offset: int, data: bytes) -> int | None:
        """As `RunChannel.take`; None, too, where there is no platform."""
        if self._spec.run_id is None:
            return None
        self._channel = self._channel or self._connect()
        if self._channel is None:
            return None
        return self._channel.take(self._spec.run_id, self._spec.attempt, stream, offset, data)


def report_epoch(row: MetricRow) -> None:
    """Tell Ray Train of an epoch's end, once and by every rank: it is a barrier."""
    ray.train.report({name: value for name, value in row.items() if isinstance(value, int | float)})


def _no_head() -> None:
    return None


def _ignore_scan(num_done: int, num_total: int) -> None:
    """A scan's progress is shown to people who wait for it."""


def _note(sentence: str) -> None:
    sys.stdout.write(f"{utc_now()} {sentence}\n")
