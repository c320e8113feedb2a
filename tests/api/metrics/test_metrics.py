"""Curves of a real run come as they were recorded, by the names that the lists say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.support.digits_runs import DigitsRuns

from utp.api.metrics.curve_names import group_of, public_names, title_of, unit_of
from utp.api.services import Services
from utp.store.recorder.inventory import AgentFacts, GpuFacts
from utp.store.recorder.machine_samples import MachineSample
from utp.store.tables import Job


def rows_of(digits: DigitsRuns, kind: str) -> list[dict[str, float]]:
    (run_dir,) = digits.mounts.glob("shared/runs/digits/*scratch")
    rows = map(json.loads, Path(run_dir, "metrics.jsonl").read_text().splitlines())
    return [row for row in rows if row["kind"] == kind]


def test_curve_holds_what_the_run_wrote(digits_client: TestClient, digits: DigitsRuns) -> None:
    answer = digits_client.get("/api/v1/metrics", params={"run_ids": digits.finished, "names": "val_loss,train_loss"})
    assert answer.status_code == 200, answer.text
    by_step, by_epoch = answer.json()["items"]
    steps, epochs = rows_of(digits, "train"), rows_of(digits, "epoch")
    assert (by_step["name"], by_step["steps"]) == ("train_loss", [row["step"] for row in steps])
    assert by_step["values"] == [row["train_loss"] for row in steps]
    assert by_step["epochs"] == [row["epoch"] for row in steps]
    assert by_epoch["values"] == [row["val_loss"] for row in epochs]
    assert (by_epoch["is_downsampled"], by_epoch["last_step"]) == (False, epochs[-1]["step"])
    assert by_step["times_s"][0] == 0.0
    assert sorted(by_step["times_s"]) == by_step["times_s"]


def test_curve_without_axes_has_its_points_alone(digits_client: TestClient, digits: DigitsRuns) -> None:
    params = {"run_ids": digits.finished, "names": "train_loss"}
    (whole,) = digits_client.get("/api/v1/metrics", params=params).json()["items"]
    (bare,) = digits_client.get("/api/v1/metrics", params={**params, "axes": "false"}).json()["items"]
    assert bare == {**whole, "epochs": None, "times_s": None}


def test_only_new_points_come_behind_a_step(digits_client: TestClient, digits: DigitsRuns) -> None:
    params = {"run_ids": digits.finished, "names": "train_loss", "after_step": "2"}
    (curve,) = digits_client.get("/api/v1/metrics", params=params).json()["items"]
    assert curve["steps"] == [row["step"] for row in rows_of(digits, "train") if row["step"] > 2]
    params["after_step"] = str(curve["last_step"])
    (rest,) = digits_client.get("/api/v1/metrics", params=params).json()["items"]
    assert (rest["steps"], rest["last_step"]) == ([], curve["last_step"])


def test_thinned_curve_keeps_its_extremes_and_says_so(
    digits_services: Services, digits_client: TestClient, digits: DigitsRuns
) -> None:
    rows = [{"kind": "train", "step": step, "spike": 1.0 + (step == 4321) * 99} for step in range(1000, 9000)]
    digits_services.recorder.record_rows(digits.finished, 1, rows)
    params = {"run_ids": digits.finished, "names": "spike", "max_points": "100"}
    (curve,) = digits_client.get("/api/v1/metrics", params=params).json()["items"]
    assert len(curve["steps"]) <= 100
    assert max(curve["values"]) == 100.0
    assert curve["is_downsampled"]


def test_names_say_direction_best_and_group(digits_client: TestClient, digits: DigitsRuns) -> None:
    items = digits_client.get(f"/api/v1/runs/{digits.finished}/metrics/names").json()["items"]
    names = {one["name"]: one for one in items}
    epochs = [row["val_acc@1"] for row in rows_of(digits, "epoch")]
    accuracy = names["val_acc@1"]
    assert (accuracy["best"], accuracy["last"], accuracy["is_higher_better"]) == (max(epochs), epochs[-1], True)
    assert names["val_loss"]["best"] == min(row["val_loss"] for row in rows_of(digits, "epoch"))
    assert {"epoch/train_loss", "train_loss", "lr", "images_per_s"} <= names.keys()
    assert not {"epoch", "time"} & names.keys()
    assert names["images_per_s"]["group"] == "system"


def test_titles_units_and_groups() -> None:
    assert title_of("val_acc@5") == "Validation accuracy (top-5)"
    assert title_of("epoch/train_loss") == "Training loss, by epoch"
    assert (unit_of("images_per_s"), unit_of("eval_s"), unit_of("lr")) == ("images/s", "s", None)
    assert (group_of("lr"), group_of("test_map"), group_of("eval_s")) == ("train", "test", "system")
    assert public_names([("epoch", "val_loss"), ("epoch", "time")]) == {("epoch", "val_loss"): "val_loss"}


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"run_ids": "f" * 32}, 404),
        ({"run_ids": "../etc"}, 422),
        ({"run_ids": ""}, 422),
        ({"run_ids": "f" * 32, "max_points": "3"}, 422),
        ({}, 422),
    ],
)
def test_unknown_runs_and_bad_values_are_refused(
    digits_client: TestClient, params: dict[str, str], status: int
) -> None:
    assert digits_client.get("/api/v1/metrics", params=params).status_code == status


def test_system_curves_hold_the_machine_and_the_gpus_of_the_run(
    digits_services: Services, digits_client: TestClient, digits: DigitsRuns
) -> None:
    recorder, database = digits_services.recorder, digits_services.database
    recorder.upsert_agent(AgentFacts(id="n1", hostname="box", address="10.0.0.1"))
    recorder.upsert_gpus("n1", [GpuFacts(index=index, uuid=f"GPU-{index}", model="A100") for index in range(2)])
    gpus = {"GPU-0": (70.0, 1000), "GPU-1": (5.0, 10)}
    with database.read() as connection:
        now = database.now(connection)
    shares = [{"node_id": "n1", "num_workers": 1, "cpus": 1.0, "memory_bytes": 0, "gpus": [0]}]
    news = {"placement": {"shares": shares}, "started_at": now - 5, "ended_at": None}
    database.write(
        lambda tx: tx.connection.execute(
            Job.__table__.update().where(Job.run_id == digits.finished).values(news)  # type: ignore[attr-defined]
        ).close()
    )
    recorder.record_samples([MachineSample(agent_id="n1", cpu_percent=50.0, memory_used_bytes=7, gpus=gpus)])
    items = digits_client.get(f"/api/v1/runs/{digits.finished}/system").json()["items"]
    values = {one["name"]: one["values"] for one in items}
    assert values["box/gpu0/utilization_percent"] == [70.0]
    assert values["box/cpu_percent"] == [50.0]
    assert "box/gpu1/utilization_percent" not in values
    assert len(values["images_per_s"]) == len(rows_of(digits, "train"))
