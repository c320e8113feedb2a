"""The one resolver of paths that users write, and the one source of the names in a run's tree."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from utp.errors import PathRefused
from utp.settings import Settings

MAX_COMPONENT_BYTES = 255
MAX_PATH_BYTES = 4095
"""Linux: PATH_MAX is 4096 with the closing NUL."""

_PERCENT_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_SLASH_LOOKALIKES = str.maketrans(dict.fromkeys("\u2044\u2215\u29f8", "/") | dict.fromkeys("\u2216\u29f5\u29f9", "\\"))
"""Those that NFKC leaves as they are (fraction and division slash, set minus ...); it folds the full-width ones."""


def resolve_under(mount: Path, value: str, field: str) -> Path:
    """Return the absolute place beneath `mount` that `value` names, symlinks not followed; creates nothing.

    `/x`, `./x` and `x` are the same place; a value that begins with the mount is taken as it is.

    Raises:
        PathRefused: `value` is empty, malformed or disguised, or leads outside the mount, be it by a symlink.
    """
    _refuse_malformed(value, field)
    mount = Path(os.path.abspath(mount))  # noqa: PTH100  Path.resolve would follow a mount that is a symlink
    relative = [part for part in _beneath(mount, value).split("/") if part not in ("", ".")]
    for part in relative:
        _refuse_disguised(part, value, field)
    if relative and relative[0].startswith("~"):
        raise PathRefused(field, value, f"`~` has no meaning here; write the path relative to {mount}")
    place = mount.joinpath(*relative)
    _refuse_overlong(place, value, field)
    if not real_path(place).is_relative_to(real_path(mount)):
        raise PathRefused(field, value, f"a symlink on the way leads outside {mount}; copy or mount the folder there")
    return place


def local_path(value: str, field: str) -> Path:
    """Return an ordinary path of this machine as an absolute one; `~` and `..` are allowed.

    Raises:
        PathRefused: `value` is empty, holds control characters, is over-long, or names an unknown home.
    """
    _refuse_malformed(value, field)
    try:
        path = Path.cwd() / Path(value).expanduser()
    except RuntimeError as error:
        raise PathRefused(field, value, "there is no such user's home; write the path in full") from error
    _refuse_overlong(path, value, field)
    if ".." not in path.parts:
        return path
    # Only what stands before the last `..` has to be followed: behind a symlink `..` is not the parent in the text.
    after_last = len(path.parts) - path.parts[::-1].index("..")
    return real_path(Path(*path.parts[:after_last])).joinpath(*path.parts[after_last:])


def real_path(path: Path) -> Path:
    """Return the path with symlinks followed, whether or not its end exists."""
    return Path(os.path.realpath(path))  # Path.resolve raises on a loop of symlinks


def dataset_root(value: str, settings: Settings) -> Path:
    """Return the folder of a dataset, beneath `DATASETS_DIR` where that is set. Raises `PathRefused`."""
    return _resolve(settings.datasets_dir, value, "root")


def as_configured(root: Path, settings: Settings) -> str:
    """Return the folder of a dataset as a config names it: from `DATASETS_DIR` on where it lies beneath that."""
    if settings.datasets_dir is None:
        return str(root)
    return _beneath(Path(os.path.abspath(settings.datasets_dir)), str(root))  # noqa: PTH100  as in `resolve_under`


def runs_root(value: str, settings: Settings) -> Path:
    """Return the folder that `tb_root` names, beneath `SHARED_LOGS_DIR` where that is set. Raises `PathRefused`."""
    return _resolve(settings.shared_logs_dir, value, "tb_root")


def checkpoints_root(value: str, settings: Settings) -> Path:
    """Return the folder that `ckpt_dir` names, beneath `SHARED_LOGS_DIR` where that is set. Raises `PathRefused`."""
    return _resolve(settings.shared_logs_dir, value, "ckpt_dir")


def model_dir(value: str, settings: Settings) -> Path:
    """Return the folder of a local model, beneath `MODELS_DIR` where that is set. Raises `PathRefused`."""
    return _resolve(settings.models_dir, value, "model_flavour")


@dataclass(frozen=True)
class AttemptPaths:
    """The journal of one attempt: the only place its workers write, checkpoints aside."""

    directory: Path

    @property
    def metrics(self) -> Path:
        """Rows of metrics, one JSON object a line."""
        return self.directory / "metrics.jsonl"

    @property
    def result(self) -> Path:
        """How the attempt ended; written last."""
        return self.directory / "result.json"

    @property
    def corrupt_files(self) -> Path:
        """Files of the data that the attempt left out, if there were any."""
        return self.directory / "corrupt.json"

    @property
    def figures(self) -> Path:
        """Folder of PNG figures."""
        return self.directory / "figures"

    @property
    def predictions(self) -> Path:
        """Folder of predictions per sample."""
        return self.directory / "predictions"

    def log(self, rank: int) -> Path:
        """Output of the worker with this rank."""
        return self.directory / f"rank{rank}.log"


@dataclass(frozen=True)
class RunPaths:
    """Everything on disk of one run; its name is that of both directories."""

    run_dir: Path
    checkpoint_dir: Path

    @property
    def name(self) -> str:
        """Name of the run, with its version."""
        return self.run_dir.name

    @property
    def config(self) -> Path:
        """The `TrainConfig`, as `dump_config` gives it."""
        return self.run_dir / "config.json"

    @property
    def environment(self) -> Path:
        """Versions, hardware and code the run started with."""
        return self.run_dir / "environment.json"

    @property
    def metrics(self) -> Path:
        """Rows of metrics of all attempts, one JSON object a line."""
        return self.run_dir / "metrics.jsonl"

    @property
    def result(self) -> Path:
        """How the run ended."""
        return self.run_dir / "result.json"

    @property
    def figures(self) -> Path:
        """Folder of PNG figures."""
        return self.run_dir / "figures"

    @property
    def predictions(self) -> Path:
        """Folder of predictions per sample: `val_best`, `val_last` and `test`, as Parquet."""
        return self.run_dir / "predictions"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.run_dir / "tb"

    @property
    def attempts(self) -> Path:
        """Folder of the attempts' folders."""
        return self.run_dir / "attempts"

    def attempt(self, number: int) -> AttemptPaths:
        """Paths of one attempt, counted from 1."""
        return AttemptPaths(self.attempts / str(number))

    @property
    def best_weights(self) -> Path:
        """The best weights as a single file."""
        return self.checkpoint_dir / "best.pt"

    @property
    def best_meta(self) -> Path:
        """Value, epoch, monitor and mode of the best weights."""
        return self.checkpoint_dir / "_best_meta.json"

    def epoch_weights(self, epoch: int) -> Path:
        """The weights after an epoch as a single file, where they are kept."""
        return self.checkpoint_dir / f"epoch_{epoch:03d}.pt"

    @property
    def hf(self) -> Path:
        """The best model as a folder that `from_pretrained` loads."""
        return self.checkpoint_dir / "hf"


def _resolve(mount: Path | None, value: str, field: str) -> Path:
    return local_path(value, field) if mount is None else resolve_under(mount, value, field)


def _beneath(mount: Path, value: str) -> str:
    """Cut the mount off a value that begins with it, under the name it was given or the one it resolves to."""
    if not value.startswith("/"):
        return value
    path = Path("/" + value.lstrip("/"))  # pathlib keeps two leading slashes apart from one
    for known in (mount, real_path(mount)):
        if path.is_relative_to(known):
            return path.relative_to(known).as_posix()
    return value


def _refuse_malformed(value: str, field: str) -> None:
    if not value.strip():
        raise PathRefused(field, value, "it is empty; name a folder")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in value):
        raise PathRefused(field, value, "it holds NUL, a control character or half a character; rename the folder")


def _refuse_disguised(part: str, value: str, field: str) -> None:
    folded = unicodedata.normalize("NFKC", part.translate(_SLASH_LOOKALIKES))
    if part.strip() == "..":
        raise PathRefused(field, value, "`..` may not be used; write the path from the mount down")
    if "\\" in part:
        raise PathRefused(field, value, "it holds a backslash; separate folders by `/`")
    if _PERCENT_ENCODED.search(folded):
        raise PathRefused(field, value, "it is percent-encoded; write the characters themselves")
    if any(sign in folded and sign not in part for sign in ("..", "/", "\\")):
        raise PathRefused(field, value, "it holds a look-alike of `.`, `/` or `\\`; rename the folder")


def _refuse_overlong(path: Path, value: str, field: str) -> None:
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > MAX_COMPONENT_BYTES:
        reason = f"a name in it has {longest} bytes, more than the {MAX_COMPONENT_BYTES} of a file system; shorten it"
        raise PathRefused(field, value, reason)
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise PathRefused(field, value, f"it has more than {MAX_PATH_BYTES} bytes in all; shorten it")
