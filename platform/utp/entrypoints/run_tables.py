"""What `utp run` prints: lists of runs, one run, several side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Column, Table

from utp.entrypoints.console import stdout
from utp.errors import FailureKind
from utp.store.repositories.runs import AttemptRow, RunDetail, RunRow

NAME_WIDTH = 32
"""With the other columns a line has 80 characters."""
GB, MB = 10**9, 10**6

WAYS_OUT: Mapping[FailureKind, str] = {
    FailureKind.USER_ERROR: "change what the message names, and submit again",
    FailureKind.INVALID_CONFIG: "change the field that the message names, and submit again",
    FailureKind.DATA_ERROR: "look at the dataset with `utp data check ROOT`",
    FailureKind.OOM_HOST: "lower num_workers, prefetch_factor or batch_size, or ask for memory",
    FailureKind.OOM_GPU: "lower batch_size and raise grad_accum_steps, or set gradient_checkpointing",
    FailureKind.NAN: "lower lr, raise warmup_ratio or set max_grad_norm",
    FailureKind.STORAGE_FULL: "free some space (`utp run delete RUN`), then `utp run resume`",
    FailureKind.STORAGE_ERROR: "check the storage with `utp doctor`, then `utp run resume`",
    FailureKind.NODE_LOST: "look at `utp agents`, then `utp run retry`",
    FailureKind.LOST: "look at the log and at `utp agents`, then `utp run retry`",
    FailureKind.TIMEOUT: "see in the log where it hung, then `utp run retry`",
    FailureKind.INTERNAL: "see the traceback in the log; if it is no plug-in's, report it",
}
"""What to do about a run that failed so."""


def shorten(text: str, width: int = NAME_WIDTH) -> str:
    """Return the text with its middle left out where it is too long: names differ at their ends."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def format_duration(seconds: float) -> str:
    """Return hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def format_size(size_bytes: int) -> str:
    """Return a size as people read it, in powers of ten."""
    if size_bytes >= GB:
        return f"{size_bytes / GB:.1f} GB"
    return f"{size_bytes / MB:.1f} MB" if size_bytes >= MB else f"{size_bytes} bytes"


def run_table(rows: Sequence[RunRow]) -> Table:
    """Return a list of runs that fits 80 columns, in fewer the names are folded; `--json` has them whole."""
    table = Table(
        Column("run", overflow="fold"), Column("state", no_wrap=True), Column("epoch", justify="right", no_wrap=True),
        Column("best", no_wrap=True), Column("id", no_wrap=True), box=SIMPLE_HEAD, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for row in rows:
        best = f"{row.best_value:.4f}" if row.best_value is not None else "-"
        epoch = f"{row.epoch}/{row.epochs}" if row.epochs else "-"
        state = str(row.state) if row.health == "ok" else str(row.health)
        table.add_row(escape(shorten(row.name)), state, epoch, best, row.id[:12])
    return table


def print_detail(detail: RunDetail) -> None:
    """Print all about a run that a person asks for first."""
    is_failed = detail.failure_kind is not None and detail.state == "failed"
    facts = {
        "id": detail.id,
        "state": detail.state if detail.health == "ok" else f"{detail.state}, {detail.health}: {detail.health_detail}",
        "waits": detail.wait_reason,
        "cause": f"{detail.failure_kind}: {detail.message}" if is_failed else None,
        "what to do": WAYS_OUT.get(detail.failure_kind) if is_failed and detail.failure_kind else None,
        "message": None if is_failed else detail.message,
        "project": detail.project,
        "owner": detail.owner,
        "epoch": f"{detail.epoch}/{detail.epochs}" if detail.epochs else None,
        "best": f"{detail.best_metric} {detail.best_value:.4f}" if detail.best_value is not None else None,
        "trained for": format_duration(_trained_s(detail)) if detail.attempts else None,
        "files": detail.run_dir,
        "checkpoints": detail.checkpoint_dir,
    }
    stdout.print(f"[bold]{escape(detail.name)}[/bold]", soft_wrap=True)
    for name, value in facts.items():
        if value:
            stdout.print(f"  {name:<12}{escape(str(value))}", soft_wrap=True)
    for attempt in detail.attempts:
        stdout.print(f"  attempt {attempt.attempt}   {_describe_attempt(attempt)}", markup=False, soft_wrap=True)


def _describe_attempt(attempt: AttemptRow) -> str:
    how = " ".join(str(one) for one in (attempt.outcome or "under way", attempt.failure_kind or "") if one)
    return f"{how} on {attempt.host or '-'}{_gpus(attempt.placement)}, step {attempt.step}, {_took(attempt)}"


def _gpus(placement: Mapping[str, object] | None) -> str:
    shares = (placement or {}).get("shares")
    numbers = [str(gpu) for share in shares for gpu in share.get("gpus", ())] if isinstance(shares, list) else []
    return f" (GPU {', '.join(numbers)})" if numbers else ""


def _took(attempt: AttemptRow) -> str:
    if attempt.started_at is None:
        return "never began to train"
    return format_duration((attempt.ended_at or time.time()) - attempt.started_at)


def _trained_s(detail: RunDetail) -> float:
    running = detail.attempts[-1]
    is_open = running.started_at is not None and running.ended_at is None
    return detail.run_time_s + (time.time() - running.started_at if is_open and running.started_at else 0.0)
