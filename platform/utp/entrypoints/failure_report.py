"""What `utp` says of a failure, and the exit code: one sentence for what was foreseen, a traceback for what was not."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Mapping

from pydantic import ValidationError

from utp.entrypoints.console import print_error
from utp.errors import FailureKind, UtpError
from utp.settings import Settings, get_settings

EXIT_FAILED = 1
EXIT_MISTAKE = 2

USER_MISTAKES = frozenset({FailureKind.INVALID_CONFIG, FailureKind.DATA_ERROR, FailureKind.USER_ERROR})
"""Failures that end with exit code 2, as a wrong option does; all others end with 1."""

TRAIN_EXTRA = frozenset(
    {
        "PIL",
        "matplotlib",
        "numpy",
        "pyarrow",
        "safetensors",
        "sklearn",
        "tensorboard",
        "torch",
        "torchvision",
        "transformers",
    }
)
"""Modules that come with `utp[train]`; a machine that only serves the platform has none of them."""

UNFORESEEN = (
    "was not expected here: a fault of utp, or of a plug-in named above. "
    "Please report it with these lines and the output of `utp doctor --json`"
)

_RIGHT = "give this user the right to it, or name another place"
_SPACE = "free some space there, or name a folder on another disk"
_STORAGE = "check the storage"
WAYS_OUT: Mapping[int, str] = {
    errno.EACCES: _RIGHT,
    errno.EPERM: _RIGHT,
    errno.EROFS: _STORAGE,
    errno.EIO: _STORAGE,
    errno.ESTALE: _STORAGE,
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
}
"""What to do about a file that the system refuses."""


def report_failure(error: Exception, *, debug: bool) -> int:
    """Write what went wrong to stderr and return the exit code."""
    explained = _explain(error)
    if explained is None or debug or _is_debug_set():
        traceback.print_exception(error)
    sentence, exit_code = explained or (f"{type(error).__name__} {UNFORESEEN}", EXIT_FAILED)
    print_error(sentence)
    return exit_code


def _explain(error: Exception) -> tuple[str, int] | None:
    """Return what a person needs to know, and the exit code; none for what nobody foresaw."""
    if isinstance(error, UtpError):
        return str(error), EXIT_MISTAKE if error.kind in USER_MISTAKES else EXIT_FAILED
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in TRAIN_EXTRA:
        return f"{error.name} is not installed, and this command needs it; install with: pip install 'utp[train]'", 1
    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        return _explain_settings(error), EXIT_MISTAKE
    if isinstance(error, OSError) and error.strerror and (error.filename is not None or error.errno in WAYS_OUT):
        file = "" if error.filename is None else f"{error.filename}: "  # a write that is refused names none
        way_out = WAYS_OUT.get(error.errno or 0, "`utp --debug ...` shows what needed it")
        return f"{file}{error.strerror}; {way_out}", EXIT_FAILED
    if isinstance(error, UnicodeEncodeError) and error.encoding == "utf-8":
        return f"{error.object!r:.100} is no UTF-8 text; write it as such", EXIT_MISTAKE
    return None


def _explain_settings(error: ValidationError) -> str:
    """Name the variables of the environment that are wrong; of a secret not its value."""
    shown = {str(field.validation_alias) for field in Settings.model_fields.values() if field.repr}
    sentences = []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else "environment"
        value = f", got {problem['input']!r:.80}" if name in shown else ""
        sentences.append(f"{name}: {problem['msg'].removeprefix('Input ')}{value}; correct this variable, or unset it")
    return "\n".join(sentences)


def _is_debug_set() -> bool:
    try:
        return get_settings().debug
    except ValidationError:
        return False
