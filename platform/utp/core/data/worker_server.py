"""The fork server that loader processes come from. Imports no torch, so it can be started before torch is imported.

Forking the training process itself can deadlock once torch, CUDA or Ray have started threads in it, and spawning
imports torch and torchvision anew in every process (15 s each where a forked one takes 0.1 s). The server imports them
once, beside the imports of the training process.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import signal

# utp's own module comes last: where utp is not installed but on a path set at run time, the server can't import it.
_PRELOADED = [
    "torch",
    "torch.utils.data",
    "torchvision.transforms.v2.functional",
    "PIL.Image",
    "pyarrow",
    "utp.core.data.dataset",
]


SENT_TO_ALL = frozenset({signal.SIGINT, signal.SIGTERM})
"""Signals of a terminal, and of whatever stops a container, a service or a job: the main process decides for all."""


def start_worker_server() -> multiprocessing.context.BaseContext:
    """Start the server if it does not run yet, and return the context that forks from it; returns at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    # Blocked signals are inherited: the server and a process that is just starting would die of them, and the run with
    # it, before they can ask to be left alone. Both end with the pipe that the main process holds.
    multiprocessing.resource_tracker.ensure_running()  # starting it would unblock them again; it ignores both itself
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SENT_TO_ALL)
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return context
