"""Why a run failed: its kind in plain words, and the line of the log that tells it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utp.api.logs.service import INDEXES
from utp.api.runs.schemas import Attempt, Cause, LogPlace
from utp.errors import FAILURE_HELP, FailureKind
from utp.logs.line_facts import LogLevel
from utp.logs.numbered import NumberedLine, read_numbered
from utp.logs.places import find_log
from utp.store.repositories.run_lists import WholeRun
from utp.store.states import RunState

TAIL_LINES = 300
"""Looked through: what a process says last tells why it ended."""
SHOWN_MESSAGE = 60
"""Characters of the message by which its line is known: a log may break it later."""
SERIOUS = frozenset({LogLevel.ERROR, LogLevel.CRITICAL})


def find_cause(whole: WholeRun, attempts: Sequence[Attempt], home: Path) -> Cause | None:
    """Return why a run failed; None for one that did not.

    Args:
        whole: the run.
        attempts: of the run, the oldest first.
        home: of the platform, with the head's copies of logs.
    """
    run = whole.run
    if run.state is not RunState.FAILED:
        return None
    kind = run.failure_kind or FailureKind.INTERNAL
    help_text = FAILURE_HELP[kind]
    return Cause(
        kind=kind,
        title=help_text.title,
        message=run.message or "",
        what_to_do=help_text.what_to_do,
        log_line=_find_line(whole, attempts[-1], home) if attempts else None,
        traceback=attempts[-1].traceback if attempts else None,
    )


def _find_line(whole: WholeRun, attempt: Attempt, home: Path) -> LogPlace | None:
    """Return the line of the worker that failed first; None where it wrote nothing."""
    stream = f"rank{attempt.rank or 0}.log"
    path = find_log(home, whole.run_dir, whole.run.id, attempt.attempt, stream)
    page = read_numbered(INDEXES.of(path), -TAIL_LINES, TAIL_LINES, is_live=False)
    line = choose_line(page.lines, whole.run.message or "")
    return None if line is None else LogPlace(attempt=attempt.attempt, stream=stream, line=line.line, text=line.text)


def choose_line(lines: Sequence[NumberedLine], message: str) -> NumberedLine | None:
    """Return the last line that holds the message, else the last serious one, else the last that says anything."""
    said = message.partition("\n")[0][:SHOWN_MESSAGE].strip()
    spoken = [line for line in lines if line.text.strip()]
    with_message = [line for line in spoken if said and said in line.text]
    serious = [line for line in spoken if line.level in SERIOUS]
    return next((found[-1] for found in (with_message, serious, spoken) if found), None)
