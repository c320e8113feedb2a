import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from utp.entrypoints.cli import COMMANDS, LazyCommand, app
from utp.errors import ConfigError, DatasetError, LossNotFinite
from utp.settings import get_settings

UTP = (sys.executable, "-m", "utp.entrypoints.cli")
NOT_FOR_HELP = {"torch", "numpy", "transformers", "pydantic", "PIL", "rich"}


@pytest.fixture(autouse=True)
def fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("UTP_DEBUG", raising=False)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Put other code behind `utp resume`: it raises what a test puts in the list."""
    errors: list[BaseException] = []

    def resume() -> None:
        raise errors[0]

    monkeypatch.setattr("utp.entrypoints.train_commands.resume", resume)
    return errors


def test_help_lists_every_command() -> None:
    answer = CliRunner().invoke(app, ["--help"])
    assert answer.exit_code == 0
    assert all(command.name in answer.stdout and command.help in answer.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_of_a_command_starts_as_its_line_in_the_list(command: LazyCommand) -> None:
    assert (command.load().help or "").partition("\n")[0] == command.help


@pytest.mark.parametrize("words", [*((command.name,) for command in COMMANDS), ("data", "sample"), ("run", "list")])
def test_help_of_every_command_is_plain_text(words: tuple[str, ...]) -> None:
    assert "╭" not in CliRunner().invoke(app, [*words, "--help"]).output


@pytest.mark.process
def test_help_imports_no_large_library() -> None:
    code = (
        "import sys; from utp.entrypoints.cli import app\n"
        "try: app(['--help'])\n"
        f"except SystemExit: print('imported:', *({NOT_FOR_HELP!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "imported:"


@pytest.mark.process
def test_help_costs_less_than_half_a_second() -> None:
    def cost_s() -> float:
        """CPU time, which other processes on this machine lengthen less than the time by the clock."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*UTP, "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cost_s() for _ in range(5)) < 0.5


def test_version_names_utp_python_and_torch() -> None:
    answer = CliRunner().invoke(app, ["--version"])
    assert answer.exit_code == 0
    assert [line.split()[0] for line in answer.stdout.splitlines()] == ["utp", "Python", "torch"]


def test_misspelt_command_ends_with_2_and_names_the_near_one() -> None:
    answer = CliRunner().invoke(app, ["docter"])
    assert answer.exit_code == 2
    assert "doctor" in answer.stderr


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ConfigError(("lr: should be greater than 0, got -1",)), 2),
        (DatasetError("/data", "has no train folder"), 2),
        (LossNotFinite(7, 0, 2.5), 1),
    ],
)
def test_utp_error_is_one_clean_message_with_its_exit_code(
    raising: list[BaseException], error: Exception, exit_code: int
) -> None:
    raising.append(error)
    answer = CliRunner().invoke(app, ["resume"])
    assert (answer.exit_code, answer.stdout) == (exit_code, "")
    assert answer.stderr == f"error: {error}\n"


@pytest.mark.parametrize(("arguments", "environment"), [(["--debug"], {}), ([], {"UTP_DEBUG": "1"})])
def test_debug_shows_where_a_utp_error_comes_from(
    raising: list[BaseException], arguments: list[str], environment: dict[str, str]
) -> None:
    raising.append(ConfigError(("lr: is missing",)))
    answer = CliRunner().invoke(app, [*arguments, "resume"], env=environment)
    assert answer.exit_code == 2
    assert "Traceback" in answer.stderr
    assert "error: lr: is missing" in answer.stderr


def test_unexpected_error_shows_the_traceback_and_asks_for_a_report(raising: list[BaseException]) -> None:
    raising.append(ZeroDivisionError("of our making"))
    answer = CliRunner().invoke(app, ["resume"])
    assert answer.exit_code == 1
    assert "Traceback" in answer.stderr
    assert "utp doctor --json" in answer.stderr


def test_missing_training_package_names_the_install_command(raising: list[BaseException]) -> None:
    raising.append(ModuleNotFoundError("No module named 'torch'", name="torch"))
    answer = CliRunner().invoke(app, ["resume"])
    assert answer.exit_code == 1
    assert "pip install 'utp[train]'" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "/data/x: Permission denied; give this user"),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "/data/x: No space left on device; free some"),
        (OSError(errno.EROFS, "Read-only file system", "/data/x"), "/data/x: Read-only file system; check the storage"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; free some"),
        (FileExistsError(errno.EEXIST, "File exists", "/data/x"), "/data/x: File exists; `utp --debug ...` shows"),
    ],
)
def test_file_that_the_system_refuses_is_named_in_one_sentence(
    raising: list[BaseException], error: OSError, sentence: str
) -> None:
    raising.append(error)
    answer = CliRunner().invoke(app, ["resume"])
    assert (answer.exit_code, answer.stderr[: 7 + len(sentence)]) == (1, f"error: {sentence}")
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("arguments", [("queue",), ("status",), ("run", "list"), ("--debug", "status")])
def test_wrong_variable_of_the_environment_is_named_and_no_secret_shown(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UTP_HANG_LIMIT_S", "soon")
    monkeypatch.setenv("UTP_SECRET", "canary")
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 2
    assert "UTP_HANG_LIMIT_S: should be a valid number" in answer.stderr
    assert "got 'soon'; correct this variable, or unset it" in answer.stderr
    assert "UTP_SECRET: String should have at least 32 characters; correct" in answer.stderr
    assert "canary" not in answer.output


def test_address_of_a_database_that_is_none_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTP_DATABASE_URL", "postgresql//utp:canary@host/utp")
    answer = CliRunner().invoke(app, ["queue"])
    assert (answer.exit_code, "canary" in answer.output) == (2, False)
    assert "UTP_DATABASE_URL: is no address; write postgresql+psycopg://" in answer.stderr


def test_argument_that_is_no_utf8_is_named(raising: list[BaseException]) -> None:
    raising.append(UnicodeEncodeError("utf-8", "caf\udce9", 3, 4, "surrogates not allowed"))
    answer = CliRunner().invoke(app, ["resume"])
    assert (answer.exit_code, answer.stderr) == (2, "error: 'caf\\udce9' is no UTF-8 text; write it as such\n")


@pytest.mark.parametrize(
    "words",
    [
        ("up", "--port", "99999"),
        ("up", "--gcs-port", "-1"),
        ("up", "--num-cpus", "0"),
        ("projects", "create", " "),
        ("projects", "create", "x", "--max-gpus", "99999999999999999999"),
        ("run", "submit", "x.yaml", "--project", ""),
        ("run", "list", "--limit", "99999999999999999999"),
    ],
)
def test_value_that_can_not_be_meant_is_refused_before_anything_happens(words: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(app, words)
    assert (answer.exit_code, "Usage:" in answer.stderr, "Traceback" in answer.stderr) == (2, True, False)


def test_interrupt_ends_with_130(raising: list[BaseException]) -> None:
    raising.append(KeyboardInterrupt())
    assert CliRunner().invoke(app, ["resume"]).exit_code == 130


@pytest.mark.process
def test_reader_that_leaves_early_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed_pipe:
        done = subprocess.run([*UTP, "--help"], stdout=closed_pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == ""
