"""Which checkpoint of a run is meant by `best`, `last` or a name; only reads, also where a checkpoint is damaged."""

from __future__ import annotations

from utp.config.paths import RunPaths
from utp.core.checkpoint import Checkpoint, CheckpointStore
from utp.core.checkpoint_manifest import find_fault
from utp.errors import CheckpointUnreadable, ConfigError

BEST, LAST = "best", "last"


def choose_checkpoint(paths: RunPaths, wanted: str) -> Checkpoint:
    """Return the checkpoint that `wanted` names, after it was verified.

    Raises:
        ConfigError: there is none of that name; lists those that are there.
        CheckpointUnreadable: the one that is meant does not verify.
    """
    store = CheckpointStore(paths.checkpoint_dir, attempt=0)  # `newest` would set a damaged one aside
    committed = {checkpoint.name: checkpoint for checkpoint in store.committed()}
    if not committed:
        raise ConfigError((f"checkpoint: {paths.name} has none yet; train it, or name another run",))
    newest = list(committed.values())[-1]
    if wanted == LAST:
        return _verified(paths, newest)
    name = _best_name(_verified(paths, newest)) if wanted == BEST else wanted
    if name is None:
        raise ConfigError((f"checkpoint: {paths.name} has no best one yet; use `last`, or train it for an epoch",))
    if name not in committed:
        known = ", ".join([BEST, LAST, *committed])
        raise ConfigError((f"checkpoint: {name!r} is not there; {paths.name} has: {known}",))
    return _verified(paths, committed[name])


def has_best(paths: RunPaths) -> bool:
    """Whether a best one is known: a run that was stopped within its first epoch has none. Raises as above."""
    return _best_name(choose_checkpoint(paths, LAST)) is not None


def _best_name(newest: Checkpoint) -> str | None:
    best = newest.read_state()["state"]["progress"].get("best")
    return str(best["checkpoint"]) if best else None


def _verified(paths: RunPaths, checkpoint: Checkpoint) -> Checkpoint:
    fault = find_fault(checkpoint.directory)
    if fault is not None:
        raise CheckpointUnreadable(str(paths.checkpoint_dir), (f"{checkpoint.name}: {fault}",))
    return checkpoint
