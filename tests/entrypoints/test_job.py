"""A job that can't be trained says why, where its owner looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from utp.cluster.attempt_end import conclude
from utp.cluster.job_client import JobReport, JobStatus
from utp.cluster.job_spec import EXIT_STORAGE
from utp.entrypoints.job import EXIT_FAILED, EXIT_REFUSED, main
from utp.errors import FailureKind
from utp.settings import get_settings
from utp.store.states import Wish

CONFIG = '{"root": "x", "model_flavour": "builtin/resnet-micro", "batch_size": 7}'


@pytest.fixture(autouse=True)
def _settings_are_read_anew() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    return [
        *("--run-id", "0" * 32, "--attempt", "2", "--config-json", CONFIG),
        *("--run-dir", str(tmp_path / "run"), "--checkpoint-dir", str(tmp_path / "checkpoints")),
    ]


def refusal(folder: Path) -> str:
    result = json.loads((folder / "run" / "attempts" / "2" / "result.json").read_text())
    assert (result["attempt"], result["outcome"], result["kind"]) == (2, "failed", "invalid_config")
    return str(result["message"])


def test_refused_config_is_the_attempts_result(
    tmp_path: Path, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--request-json", '{"num_workers": 2}']) == EXIT_REFUSED
    told = "batch_size: 7 images can't be shared out evenly among 2 workers"
    assert refusal(tmp_path).startswith(told)
    assert capfd.readouterr().out.startswith(f"refused: {told}")


def test_secrets_that_others_may_read_are_the_attempts_result(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets").write_text("HF_TOKEN=hf_canary")
    (tmp_path / "secrets").chmod(0o644)
    monkeypatch.setenv("UTP_SECRETS_FILE", str(tmp_path / "secrets"))
    get_settings.cache_clear()
    assert main(words) == EXIT_REFUSED
    path = tmp_path / "secrets"
    told = f"UTP_SECRETS_FILE: {path} may be read by others (mode 0644); chmod 600 {path}"
    assert refusal(tmp_path) == told


def test_unexpected_error_is_the_attempts_result_with_its_traceback(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr("utp.entrypoints.job.train_warm", fail)
    assert main(words) == EXIT_FAILED
    result = json.loads((tmp_path / "run" / "attempts" / "2" / "result.json").read_text())
    assert (result["kind"], result["message"]) == ("internal", "RuntimeError: no such luck")
    assert "in fail" in result["traceback"]


def test_folder_that_can_not_be_used_has_an_exit_code_of_its_own(
    tmp_path: Path, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").write_text("a file in the way")
    assert main(words) == EXIT_STORAGE
    assert "FileExistsError" in capfd.readouterr().err
    report = JobReport(JobStatus.FAILED, f"Job entrypoint command failed with exit code {EXIT_STORAGE}, last logs:\n x")
    assert conclude(report, Wish.NONE).kind is FailureKind.STORAGE_ERROR


def test_refused_job_of_nobody_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--config-json", '{"root": 3}']) == EXIT_REFUSED
    assert list(tmp_path.iterdir()) == []
