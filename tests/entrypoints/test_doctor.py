import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from utp.entrypoints import doctor
from utp.entrypoints.checks.finding import Finding
from utp.entrypoints.cli import app
from utp.settings import get_settings


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def raise_division() -> Finding:
    raise ZeroDivisionError("no cores")


def good() -> Finding:
    return Finding("ok", "fine")


def poor() -> Finding:
    return Finding("warn", "little room", "make some")


def bad() -> Finding:
    return Finding("fail", "no room", "make a lot")


@pytest.mark.slow
@pytest.mark.process
def test_this_machine_can_train(tmp_path: Path) -> None:
    environment = {
        "SHARED_LOGS_DIR": str(tmp_path),
        "UTP_CACHE_DIR": str(tmp_path),
        "DATASETS_DIR": "",
        "MODELS_DIR": "",
    }
    answer = CliRunner().invoke(app, ["doctor", "--json"], env=environment)
    report = json.loads(answer.stdout)
    assert [check["name"] for check in report["checks"]] == [name for name, _ in doctor.CHECKS]
    assert [check for check in report["checks"] if check["status"] == "fail"] == []
    assert answer.exit_code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("checks", "exit_code", "status"),
    [
        ((good,), 0, "ok"),
        ((good, poor), 0, "warn"),
        ((poor, bad, good), 1, "fail"),
        ((good, raise_division), 1, "fail"),
    ],
)
def test_exit_code_is_1_only_when_a_check_fails(
    monkeypatch: pytest.MonkeyPatch, checks: tuple[Callable[[], Finding], ...], exit_code: int, status: str
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", tuple((check.__name__, check) for check in checks))
    answer = CliRunner().invoke(app, ["doctor", "--json"])
    assert answer.exit_code == exit_code
    assert json.loads(answer.stdout)["status"] == status


def test_check_that_raises_fails_with_its_message() -> None:
    finding = doctor.examine("cores", raise_division).finding
    assert finding.status == "fail"
    assert "ZeroDivisionError: no cores" in finding.found


def test_table_shows_what_was_found_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (("room", bad), ("rest", good)))
    answer = CliRunner().invoke(app, ["doctor"])
    assert answer.exit_code == 1
    row = next(line for line in answer.stdout.splitlines() if line.startswith("room"))
    assert row.split(maxsplit=2)[1] == "fail"
    assert "no room" in row
    assert "make a lot" in row
