"""What the actors do with each other's faults; that they run on Ray is shown in `cluster_e2e`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import ray.exceptions
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RayError, RayTaskError

from utp.cluster.actors import _ask_registry, _tell_head, is_head_there
from utp.cluster.job_client import ClusterUnreachable
from utp.store.errors import StoreBusy
from utp.store.repositories.run_queue import ActiveRow

ROW = cast("ActiveRow", SimpleNamespace(run_id="0" * 32, attempt=1))


def answer_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Have the head's actor fail so."""

    def get(reference: Any, timeout: float) -> None:
        raise error

    method = SimpleNamespace(remote=lambda *arguments: None)
    actor = SimpleNamespace(ended=method, ping=method, nodes=method)
    fake = SimpleNamespace(get_actor=lambda name, namespace: actor, get=get, exceptions=ray.exceptions)
    monkeypatch.setattr("utp.cluster.actors.ray", fake)


def test_run_is_not_shown_as_ended_before_its_files_could_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, RayTaskError("ended", "", StoreBusy("db", "locked")).as_instanceof_cause())
    with pytest.raises(StoreBusy):
        _tell_head(ROW, {"outcome": "succeeded"})


def test_head_that_is_away_keeps_no_run_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, RayError("it is being restarted"))
    _tell_head(ROW, {"outcome": "succeeded"})


def test_head_that_does_not_answer_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, GetTimeoutError("it hangs"))
    assert not is_head_there()


def test_registry_that_is_away_is_a_line_in_the_log_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, ActorUnavailableError("it is being restarted", None))
    with pytest.raises(ClusterUnreachable, match="it is being restarted"):
        _ask_registry("nodes")
