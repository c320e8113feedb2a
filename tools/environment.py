"""Makes and repairs `.venv`, and the lock it is installed from. Called by make, with nothing but Python's own library.

python3 tools/environment.py train       what training needs
python3 tools/environment.py dev         that, and what the tests need
python3 tools/environment.py lock        bring requirements.lock up to pyproject.toml (--upgrade: to newest versions)
python3 tools/environment.py check-lock  fail where requirements.lock is not up to pyproject.toml
"""

from __future__ import annotations

import csv
import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
LOCK = ROOT / "requirements.lock"
NATIVE = ROOT / "platform" / "utp" / "core" / "native" / "build.py"
UNFINISHED = VENV / ".installing"
"""There while packages are being installed: where a next call finds it, some may be half there."""

GIB = 1024**3
NEEDED_BYTES = 8 * GIB
"""The environment takes about 6 GiB, and some room must be left for the first run."""

REQUIREMENTS = {"train": ("--editable", ".[train]"), "dev": ("--editable", ".[train]", "--group", "dev")}
STAMPS = {"train": (".installed-train",), "dev": (".installed-train", ".installed-dev")}
COMPILE = (
    *("pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--all-extras", "--group", "dev"),
    *("--generate-hashes", "--no-header", "--no-emit-index-url", "pyproject.toml"),
)


def main() -> None:
    """Do what the command line says."""
    match sys.argv[1:]:
        case [("train" | "dev") as what]:
            install(what)
        case ["lock", *options]:
            run(UV, *COMPILE, *options, "--output-file", LOCK.name, env=uv_environment())
        case ["check-lock"]:
            check_lock()
        case _:
            sys.exit(__doc__)


def install(what: str) -> None:
    """Bring `.venv` to what `requirements.lock` says; a second call finds nothing to do."""
    with one_at_a_time():
        is_installed = any(VENV.glob("lib/*/site-packages/torch/*.py"))
        refuse_small_disk(shutil.disk_usage(ROOT).free, is_installed=is_installed)
        make_venv()
        get_uv()
        what_to_expect = "seconds to a minute" if is_installed else "about 6 GB on disk, 1 to 15 minutes the first time"
        say(f"installing torch, transformers and the rest: {what_to_expect}")
        UNFINISHED.touch()
        lock: tuple[str, ...] = ("--constraint", LOCK.name, "--build-constraint", LOCK.name)  # both check hashes too
        command: tuple[str | Path, ...] = (UV, "pip", "install", "--python", PYTHON, *lock, *REQUIREMENTS[what])
        run(*command, env=uv_environment())
        UNFINISHED.unlink()
        run(PYTHON, NATIVE)  # here too: uv does not build an editable package anew when a C file has changed
        for stamp in STAMPS[what]:
            (VENV / stamp).touch()
    say("ready: .venv/bin/utp --help")


def refuse_small_disk(free_bytes: int, *, is_installed: bool) -> None:
    """Leave with figures rather than fill the disk half way."""
    if not is_installed and free_bytes < NEEDED_BYTES:
        sys.exit(
            f"environment: {ROOT} has {free_bytes / GIB:.1f} GiB free, and {NEEDED_BYTES / GIB:.0f} GiB are needed "
            "(PyTorch with CUDA takes most of it). Free some space, or move the repository to a larger disk."
        )


def make_venv() -> None:
    """Make `.venv`, or anew where its Python no longer runs or an install that was cut off left packages half there."""
    works = PYTHON.exists() and subprocess.run([PYTHON, "-c", ""], check=False, capture_output=True).returncode == 0
    if works and not (UNFINISHED.exists() and has_torn_package()):
        return
    say(f"making .venv with Python {'.'.join(map(str, sys.version_info[:3]))}")
    # Debian has ensurepip in a package of its own (python3-venv); without pip a venv can be made nevertheless.
    run(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)


def has_torn_package() -> bool:
    """Whether a file that an installed package lists is missing or cut short; uv itself would take it for installed."""
    for package in VENV.glob("lib/python*/site-packages/*.dist-info"):
        record = package / "RECORD"
        if not record.exists() or any(
            is_torn(package.parent, row) for row in csv.reader(record.read_text().splitlines())
        ):
            say(f"{package.stem} is torn, from an install that was cut off")
            return True
    return False


def is_torn(site_packages: Path, row: list[str]) -> bool:
    """Whether a row of RECORD (path, hash, size in bytes) does not fit the file that it names."""
    if len(row) != 3:
        return True
    path, _, size = row
    try:
        return bool(size) and (site_packages / path).stat().st_size != int(size)
    except OSError:
        return True


def get_uv() -> None:
    """Install the locked version of uv into `.venv`, with pip or with a uv that is on the path."""
    requirement = locked_requirement(LOCK.read_text(), "uv")
    wanted = requirement.partition(" ")[0].removeprefix("uv==")
    if UV.exists() and subprocess.check_output([UV, "--version"], text=True).split()[1] == wanted:
        return
    say(f"installing uv {wanted}, which installs the rest: seconds")
    with tempfile.NamedTemporaryFile("w", dir=VENV, suffix=".txt") as file:
        file.write(requirement)
        file.flush()
        run(
            *pip_command(),
            "--quiet",
            "--force-reinstall",
            "--requirement",
            file.name,
            env={"UV_SYSTEM_CERTS": "1", **os.environ},
        )


def pip_command() -> tuple[str | Path, ...]:
    """Return the start of an install command that works here. Leaves, naming what to install, where there is none."""
    pip = ("-m", "pip", "--disable-pip-version-check")
    if subprocess.run([PYTHON, "-m", "pip", "--version"], check=False, capture_output=True).returncode == 0:
        return (PYTHON, *pip, "install")
    if importlib.util.find_spec("ensurepip"):
        run(PYTHON, "-m", "ensurepip", "--default-pip", quiet=True)
        return (PYTHON, *pip, "install")
    if uv := shutil.which("uv"):
        return (uv, "pip", "install", "--python", PYTHON)
    if importlib.util.find_spec("pip"):
        return (sys.executable, *pip, "--python", PYTHON, "install")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    sys.exit(
        f"environment: {sys.executable} has neither ensurepip nor pip, and there is no uv on the path. Install one: "
        f"sudo apt install python{version}-venv (Debian, Ubuntu), or sudo dnf install python3-pip (Fedora, RHEL)."
    )


def locked_requirement(lock: str, name: str) -> str:
    """Return one package's line of the lock, with its hashes, for pip."""
    found = re.search(rf"^{re.escape(name)}==\S+.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    assert found, f"{name} is in the dev group, so the lock has it"
    return "".join(line for line in found[0].splitlines(keepends=True) if not line.lstrip().startswith("#"))


def uv_environment() -> dict[str, str]:
    """Return this process's environment, with what uv needs to know where the user has not said it."""
    environment = {"UV_SYSTEM_CERTS": "1", **index_of_pip(os.environ), **os.environ}
    cache = Path(subprocess.check_output([UV, "cache", "dir"], env=environment, text=True).strip())
    if not has_room_for_cache(cache):
        cache = ROOT / ".uv" / "cache"
        say(f"uv's cache goes to {cache}: its own place can't be written, or is on another, full disk")
        environment["UV_CACHE_DIR"] = str(cache)
    if not can_hard_link(cache, VENV):
        environment.setdefault("UV_LINK_MODE", "copy")  # else uv warns at each install that it has to
    if sys.dont_write_bytecode:  # else each process, and Ray starts many, compiles torch's sources anew: 12 s each
        environment.setdefault("UV_COMPILE_BYTECODE", "1")
    return environment


def index_of_pip(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the package index of pip's configuration for uv, which does not read it, unless uv has one of its own."""
    config_home = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    if any(name.startswith("UV_") and "INDEX" in name for name in environment) or "UV_CONFIG_FILE" in environment:
        return {}
    if any(path.exists() for path in (config_home / "uv" / "uv.toml", Path("/etc/uv/uv.toml"))):
        return {}
    listed = subprocess.run([PYTHON, "-m", "pip", "config", "list"], check=False, capture_output=True, text=True).stdout
    found = re.findall(r"^(?:global|install|:env:)\.index-url='(.+)'$", listed, re.MULTILINE)
    return {"UV_DEFAULT_INDEX": found[-1]} if found else {}


def has_room_for_cache(cache: Path) -> bool:
    """Whether uv can keep its cache in `cache`; beside `.venv` it takes no room of its own, since files are linked."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
    except OSError:
        return False
    return cache.stat().st_dev == VENV.stat().st_dev or shutil.disk_usage(cache).free >= NEEDED_BYTES


def can_hard_link(source: Path, target: Path) -> bool:
    """Whether files of one folder can be hard-linked into the other."""
    source.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=source) as file:
        link = target / Path(file.name).name
        try:
            link.hardlink_to(file.name)
        except OSError:
            return False
        link.unlink()
        return True


def check_lock() -> None:
    """Leave with an error where `make lock` would change the lock."""
    with tempfile.TemporaryDirectory(dir=VENV) as folder:
        fresh = Path(shutil.copy(LOCK, folder))  # uv keeps the versions that it finds there
        run(UV, *COMPILE, "--output-file", fresh, env=uv_environment(), quiet=True)
        if fresh.read_text() != LOCK.read_text():
            sys.exit("requirements.lock is not up to pyproject.toml: run `make lock` and commit it")


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait while another make installs into the same `.venv`."""
    with Path(__file__).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(*command: str | Path, env: Mapping[str, str] | None = None, quiet: bool = False) -> None:
    """Run a command in the repository; leave with its exit code where it fails."""
    done = subprocess.run(command, cwd=ROOT, env=env, check=False, stdout=subprocess.DEVNULL if quiet else None)
    if done.returncode != 0:
        sys.exit(f"environment: this failed with exit code {done.returncode}: {' '.join(map(str, command))}")


def say(message: str) -> None:
    """Print one line at once, also into a log."""
    print(f"environment: {message}", flush=True)


if __name__ == "__main__":
    main()
