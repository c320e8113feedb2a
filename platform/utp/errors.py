"""Errors that a caller acts on; each holds data, pickles, and says what happened and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """Why an attempt failed; stored in `result.json`. Only infrastructure kinds are worth a retry."""

    USER_ERROR = "user_error"
    INVALID_CONFIG = "invalid_config"
    DATA_ERROR = "data_error"
    OOM_HOST = "oom_host"
    OOM_GPU = "oom_gpu"
    NAN = "nan"
    NODE_LOST = "node_lost"
    PREEMPTED = "preempted"
    STORAGE_FULL = "storage_full"
    STORAGE_ERROR = "storage_error"
    LOST = "lost"
    TIMEOUT = "timeout"
    STOPPED = "stopped"
    INTERNAL = "internal"


@dataclass(frozen=True)
class FailureHelp:
    """A kind of failure in words."""

    title: str
    what_to_do: str


FAILURE_HELP: Mapping[FailureKind, FailureHelp] = {
    FailureKind.USER_ERROR: FailureHelp("A setting stopped the run", "Correct what the message names, then retry."),
    FailureKind.INVALID_CONFIG: FailureHelp(
        "The config can't be trained", "Clone the config, correct the fields that the message names, queue it."
    ),
    FailureKind.DATA_ERROR: FailureHelp(
        "The data can't be trained on",
        "Scan the dataset to see which files or classes; mend them, or set on_corrupt to 'skip', then retry.",
    ),
    FailureKind.OOM_HOST: FailureHelp(
        "The machine ran out of memory",
        "Lower num_workers, prefetch_factor or batch_size, or ask for a machine with more memory.",
    ),
    FailureKind.OOM_GPU: FailureHelp(
        "The GPU ran out of memory",
        "Halve batch_size and double grad_accum_steps (same effective batch), or set gradient_checkpointing.",
    ),
    FailureKind.NAN: FailureHelp(
        "The loss became NaN or infinite",
        "Lower lr, raise warmup_ratio, set max_grad_norm, or autocast_dtype to 'float32'; then retry.",
    ),
    FailureKind.NODE_LOST: FailureHelp(
        "Its machine went away", "Retry: it goes on from its last checkpoint on another machine."
    ),
    FailureKind.PREEMPTED: FailureHelp("It made room for a more urgent run", "Nothing: it is queued again by itself."),
    FailureKind.STORAGE_FULL: FailureHelp(
        "The disk is full", "Free some space where the checkpoints lie, then retry: it goes on from its last one."
    ),
    FailureKind.STORAGE_ERROR: FailureHelp(
        "Checkpoints could not be read or written", "Check the storage that the message names, then retry."
    ),
    FailureKind.LOST: FailureHelp(
        "Nothing was heard of it any more", "Look at the machine's log and at the end of the run's; then retry."
    ),
    FailureKind.TIMEOUT: FailureHelp(
        "It hung", "Retry; where it hangs again, look at the network between its machines and at the log's stacks."
    ),
    FailureKind.STOPPED: FailureHelp("It was stopped", "Resume it to go on from its last checkpoint."),
    FailureKind.INTERNAL: FailureHelp(
        "An unexpected error", "Read the traceback; where it is not your plug-in's, report it with the log."
    ),
}
"""Each kind of failure as a person reads it, and the way out."""


class UtpError(Exception):
    """Base of all errors that UTP raises on purpose."""

    kind = FailureKind.INTERNAL


class ConfigError(UtpError, ValueError):
    """One or more settings that the user has to change.

    Args:
        problems: one sentence each, starting with the field, naming the value and the way out.
        source: the file or object the settings came from, if there is one.
    """

    kind = FailureKind.INVALID_CONFIG

    def __init__(self, problems: tuple[str, ...], source: str | None = None) -> None:
        super().__init__(problems, source)
        self.problems = problems
        self.source = source

    def __str__(self) -> str:
        head = f"{self.source}: " if self.source else ""
        if len(self.problems) == 1:
            return head + self.problems[0]
        return f"{head}{len(self.problems)} problems\n" + "\n".join(f"  - {problem}" for problem in self.problems)


class PathRefused(UtpError, ValueError):
    """A path that does not name a place beneath its mount."""

    kind = FailureKind.INVALID_CONFIG

    def __init__(self, field: str, value: str, reason: str) -> None:
        super().__init__(field, value, reason)
        self.field = field
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field}: {self.value!r} is refused: {self.reason}"


class UnknownName(UtpError, ValueError):
    """A name that a registry does not hold."""

    kind = FailureKind.INVALID_CONFIG

    def __init__(self, kind_of_entry: str, name: str, known: tuple[str, ...]) -> None:
        super().__init__(kind_of_entry, name, known)
        self.kind_of_entry = kind_of_entry
        self.name = name
        self.known = known

    def __str__(self) -> str:
        return f"{self.kind_of_entry} {self.name!r} is not registered; known: {', '.join(self.known)}"


class DatasetError(UtpError, ValueError):
    """A dataset folder that can't be trained on as it is."""

    kind = FailureKind.DATA_ERROR

    def __init__(self, root: str, problem: str) -> None:
        super().__init__(root, problem)
        self.root = root
        self.problem = problem

    def __str__(self) -> str:
        return f"dataset {self.root}: {self.problem}"


class DatasetLeft(DatasetError):
    """A link leads out of the dataset, or out of the mount it lies in: never skipped, as a corrupt file may be."""


class CorruptImage(UtpError):
    """An image file that can't be decoded whole."""

    kind = FailureKind.DATA_ERROR

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.path} can't be decoded: {self.reason}. Replace or delete the file; "
            "`utp data check ROOT` lists every file with such a fault"
        )


class HostMemoryShort(UtpError):
    """The host has no memory left for a picture whose file is not to blame."""

    kind = FailureKind.OOM_HOST

    def __init__(self, path: str, needed: str) -> None:
        super().__init__(path, needed)
        self.path = path
        self.needed = needed

    def __str__(self) -> str:
        return (
            f"memory ran out while {self.path} was decoded ({self.needed}); the file is sound. Lower num_workers, "
            "prefetch_factor or batch_size, end other programs, or give the machine or container more memory"
        )


class ModelError(UtpError, ValueError):
    """A model that can't be built from `model_flavour` as asked."""

    kind = FailureKind.INVALID_CONFIG

    def __init__(self, model_flavour: str, problem: str) -> None:
        super().__init__(model_flavour, problem)
        self.model_flavour = model_flavour
        self.problem = problem

    def __str__(self) -> str:
        return f"model_flavour {self.model_flavour!r}: {self.problem}"


class LossNotFinite(UtpError):
    """Loss or gradient became NaN or infinite; nothing of that step was saved."""

    kind = FailureKind.NAN

    def __init__(self, step: int, epoch: int, last_finite_loss: float | None) -> None:
        super().__init__(step, epoch, last_finite_loss)
        self.step = step
        self.epoch = epoch
        self.last_finite_loss = last_finite_loss

    def __str__(self) -> str:
        last = (
            "there was no finite one before it"
            if self.last_finite_loss is None
            else f"the last finite one was {self.last_finite_loss:.6g}"
        )
        return (
            f"loss or gradient is not finite at step {self.step} (epoch {self.epoch}); {last}. "
            "Lower lr, raise warmup_ratio, set max_grad_norm, or autocast_dtype='float32'"
        )


class ModelDiverged(UtpError):
    """What a model holds or gives is NaN or infinite, though no loss was: its last update did it, or its buffers."""

    kind = FailureKind.NAN

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} not finite: the model has diverged; lower lr or set max_grad_norm"


class TooManySkippedSteps(LossNotFinite):
    """Step after step was not finite and skipped; the run learns nothing any more."""

    def __init__(self, step: int, epoch: int, last_finite_loss: float | None, max_skipped_steps: int) -> None:
        super().__init__(step, epoch, last_finite_loss)
        self.args = (step, epoch, last_finite_loss, max_skipped_steps)
        self.max_skipped_steps = max_skipped_steps

    def __str__(self) -> str:
        return f"{super().__str__()}. The {self.max_skipped_steps} steps before it were skipped (max_skipped_steps)"


class CheckpointUnreadable(UtpError):
    """Checkpoints are there, but none of them verifies; starting over silently would lose the run."""

    kind = FailureKind.STORAGE_ERROR

    def __init__(self, directory: str, reasons: tuple[str, ...]) -> None:
        super().__init__(directory, reasons)
        self.directory = directory
        self.reasons = reasons

    def __str__(self) -> str:
        return (
            f"no checkpoint in {self.directory} can be read: {'; '.join(self.reasons)}. "
            "Restore one from a backup, or start a new run (train without --resume)"
        )


class ResumeRefused(UtpError, ValueError):
    """A run that can't go on as asked: another config, another dataset, or nothing left to do."""

    kind = FailureKind.INVALID_CONFIG

    def __init__(self, run: str, reason: str) -> None:
        super().__init__(run, reason)
        self.run = run
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.run} can't be resumed: {self.reason}"


class AttemptTaken(ResumeRefused):
    """An attempt that another process has started; it has to leave that one's files alone."""

    kind = FailureKind.LOST


class AttemptSuperseded(UtpError):
    """A later attempt of the same run has started; this one may not write any more."""

    kind = FailureKind.LOST

    def __init__(self, run: str, attempt: int, newest: int) -> None:
        super().__init__(run, attempt, newest)
        self.run = run
        self.attempt = attempt
        self.newest = newest

    def __str__(self) -> str:
        return f"attempt {self.attempt} of {self.run} stops: attempt {self.newest} has taken the run over"


class StorageFailed(UtpError):
    """Checkpoints could not be written several times in a row."""

    kind = FailureKind.STORAGE_ERROR

    def __init__(self, directory: str, reason: str, is_full: bool) -> None:
        super().__init__(directory, reason, is_full)
        self.directory = directory
        self.reason = reason
        self.is_full = is_full
        if is_full:
            self.kind = FailureKind.STORAGE_FULL

    def __str__(self) -> str:
        way_out = "free some space" if self.is_full else "check the storage"
        return f"checkpoints can't be written to {self.directory}: {self.reason}; {way_out}, then resume the run"


class DataLoaderWorkerDied(UtpError):
    """A data loader process ended in mid-epoch, or could not hand over its batch."""

    kind = FailureKind.OOM_HOST

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return (
            f"a data loader process failed: {self.cause}. The usual reason is a lack of memory (SIGKILL) or of shared "
            "memory (SIGBUS): lower num_workers, prefetch_factor or batch_size, give /dev/shm more room "
            "(docker: --shm-size), or set num_workers=0 to load without such processes"
        )
