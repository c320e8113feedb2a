"""Names of runs, and the directories that a run owns from the moment it has its name."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from utp.config.loading import read_config
from utp.config.paths import RunPaths, checkpoints_root, dataset_root, local_path, real_path, resolve_under, runs_root
from utp.config.train import TrainConfig
from utp.errors import ConfigError, PathRefused
from utp.settings import Settings

MAX_NAME_BYTES = 120
MAX_VERSIONS = 100_000
"""Names tried before a bug is more likely than so many runs."""

_WINDOWS_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def safe_name(text: str) -> str:
    """Return `text` as a file name for Linux, macOS and Windows: ASCII letters, digits and `._-`, 1 to 120 of them.

    Accents are dropped. Where more is lost (another script, length) a hash keeps different texts apart.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    name = "".join(character for character in decomposed if not unicodedata.combining(character))
    is_lossy = any(not character.isascii() and unicodedata.category(character)[0] in "LNS" for character in name)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")
    if _WINDOWS_RESERVED.fullmatch(name):
        name = f"_{name}"
    if is_lossy or len(name) > MAX_NAME_BYTES:
        digest = hashlib.sha256(unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")).hexdigest()[:8]
        name = f"{name[: MAX_NAME_BYTES - len(digest) - 1].rstrip('.-')}-{digest}".lstrip("-")
    return name or "unnamed"


def dataset_name(root: Path) -> str:
    """Return the name that a dataset's runs are filed under: the last component of its folder."""
    return safe_name(root.name)


def base_name(config: TrainConfig) -> str:
    """Return the name of a run before its version: `run_name`, or what it trains; then `__model_suffix`."""
    start = "pretrained" if config.load_pretrained else "scratch"
    parts = [config.run_name] if config.run_name else [_model_name(config.model_flavour), config.loss, start]
    if config.model_suffix:
        parts.append(config.model_suffix)
    return safe_name("__".join(safe_name(part) for part in parts))


def reserve_run(config: TrainConfig, settings: Settings) -> RunPaths:
    """Make the directories of a new run under the first free of `NAME`, `NAME-v1`, `NAME-v2`, ...

    Each is made by a `mkdir` that fails where something is, so that of many racing callers each gets its own.

    Raises:
        PathRefused: a root leads outside its mount, or can't be written to.
        ConfigError: `tb_root` and `ckpt_dir` are the same folder.
    """
    logs, checkpoints = _folders(config, settings)
    if real_path(logs) == real_path(checkpoints):
        problem = f"ckpt_dir: {config.ckpt_dir!r} is the same folder as tb_root; give checkpoints one of their own"
        raise ConfigError((problem,))
    for folder, field in ((logs, "tb_root"), (checkpoints, "ckpt_dir")):
        with _naming_field(field, config):
            folder.mkdir(parents=True, exist_ok=True)
    base = base_name(config)
    taken: set[str] = set()
    for version in range(MAX_VERSIONS):
        name = f"{base}-v{version}" if version else base
        if name in taken:
            continue
        paths = RunPaths(logs / name, checkpoints / name)
        if _claim(paths, config):
            return paths
        taken = taken or {*os.listdir(logs), *os.listdir(checkpoints)}  # noqa: PTH208  a path for each takes 10x as long
    problem = f"run_name: {base} and {MAX_VERSIONS - 1} versions of it are taken in {logs}; choose another run_name"
    raise ConfigError((problem,))


def find_runs(config: TrainConfig, settings: Settings) -> list[RunPaths]:
    """Return the runs under this config's name, newest version first; a directory without `config.json` is none."""
    logs, checkpoints = _folders(config, settings)
    base = base_name(config)
    version = re.compile(rf"{re.escape(base)}(?:-v([1-9][0-9]{{0,8}}))?")
    matches = [version.fullmatch(entry.name) for entry in logs.iterdir() if entry.is_dir()] if logs.is_dir() else []
    newest_first = sorted((match for match in matches if match), key=lambda match: int(match[1] or 0), reverse=True)
    runs = [_existing(logs / match[0], checkpoints / match[0], settings) for match in newest_first]
    return [run for run in runs if run.config.is_file()]


def open_run(directory: Path, settings: Settings) -> RunPaths:
    """Return the paths of the run in `directory`; where its checkpoints are is told by its `config.json`.

    Raises:
        ConfigError: it is not the directory of a run, or its config can't be read.
        PathRefused: it leads outside `SHARED_LOGS_DIR`.
    """
    run_dir = _directory_of_run(directory, settings)
    saved = RunPaths(run_dir, run_dir).config
    if not saved.is_file():
        what = "has no config.json" if run_dir.is_dir() else "does not exist"
        problem = f"{directory}: is not the directory of a run: it {what}; name one like runs/DATASET/RUN_NAME"
        raise ConfigError((problem,))
    folder = _checkpoint_folder(run_dir, read_config(saved), settings)
    return _existing(run_dir, folder / run_dir.name, settings)


def _directory_of_run(directory: Path, settings: Settings) -> Path:
    """What the user means: a path from here, or one beneath the mount, as `tb_root` is written."""
    run_dir, mount = local_path(str(directory), "run"), settings.shared_logs_dir
    if mount is None:
        return run_dir
    is_beneath = real_path(run_dir).is_relative_to(real_path(mount))
    return resolve_under(mount, str(real_path(run_dir) if is_beneath else directory), "run")


def _existing(run_dir: Path, checkpoint_dir: Path, settings: Settings) -> RunPaths:
    """Refuse directories that were replaced by a symlink to outside the mount."""
    return RunPaths(runs_root(str(run_dir), settings), checkpoints_root(str(checkpoint_dir), settings))


def _checkpoint_folder(run_dir: Path, config: TrainConfig, settings: Settings) -> Path:
    own, tb_root = run_dir.parent.parent.parts, PurePosixPath(config.tb_root).parts
    is_relative = not any(path.startswith(("/", "~")) for path in (config.tb_root, config.ckpt_dir))
    if settings.shared_logs_dir is None and is_relative and own[len(own) - len(tb_root) :] == tb_root:
        # Both roots are relative to where the run was started, which need not be where it is opened.
        started_in = Path(*own[: len(own) - len(tb_root)])
        return started_in / config.ckpt_dir / run_dir.parent.name
    return _folders(config, settings)[1]


def _folders(config: TrainConfig, settings: Settings) -> tuple[Path, Path]:
    """Folders of this dataset's run directories and checkpoint directories, checked as a whole."""
    dataset = dataset_name(dataset_root(config.root, settings))
    logs = runs_root(config.tb_root, settings) / dataset
    checkpoints = checkpoints_root(config.ckpt_dir, settings) / dataset
    return runs_root(str(logs), settings), checkpoints_root(str(checkpoints), settings)


def _model_name(model_flavour: str) -> str:
    """`builtin/x` as `x`, a local path as its last component, a Hub id as it is."""
    is_path = model_flavour.startswith(("/", "./", "../", "~", "builtin/")) or model_flavour.count("/") > 1
    return PurePosixPath(model_flavour).name if is_path else model_flavour


def _claim(paths: RunPaths, config: TrainConfig) -> bool:
    """Make both directories of a run, or none. False where one is there."""
    if not _make_new(paths.run_dir, "tb_root", config):
        return False
    is_claimed = False
    try:  # a checkpoint directory may be left of a run that was deleted: not to be mixed with a new one's
        is_claimed = _make_new(paths.checkpoint_dir, "ckpt_dir", config)
    finally:
        if not is_claimed:
            paths.run_dir.rmdir()
    return is_claimed


def _make_new(directory: Path, field: str, config: TrainConfig) -> bool:
    with _naming_field(field, config):
        try:
            directory.mkdir()
        except FileExistsError:
            return False
    return True


@contextmanager
def _naming_field(field: str, config: TrainConfig) -> Iterator[None]:
    """Refuse the field whose folder can't be made; other faults, as a full disk, are not the user's setting."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise
        reason = f"{error.filename} can't be made ({error.strerror}); name a folder that you may write to"
        raise PathRefused(field, getattr(config, field), reason) from error
