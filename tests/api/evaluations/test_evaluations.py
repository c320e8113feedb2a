"""Evaluations, figures and predictions of a real run agree with what it wrote."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient
from tests.support.digits_runs import NUM_CLASSES, DigitsRuns

from utp.api.predictions.service import image_id_of


@pytest.fixture
def base(digits: DigitsRuns) -> str:
    return f"/api/v1/runs/{digits.finished}"


def figure_json(digits: DigitsRuns, name: str) -> dict[str, Any]:
    (path,) = digits.mounts.glob(f"shared/runs/digits/*scratch/figures/{name}.json")
    return dict(json.loads(path.read_text()))


def test_evaluation_agrees_with_the_figures_of_the_run(
    digits_client: TestClient, digits: DigitsRuns, base: str
) -> None:
    listed = digits_client.get(f"{base}/evaluations").json()["items"]
    assert [(one["split"], one["epoch"]) for one in listed] == [("val", 1), ("val", 2), ("test", 2)]
    last = listed[1]
    assert last["has_detail"]
    detail = digits_client.get(f"{base}/evaluations/val/2").json()
    matrix = figure_json(digits, "confusion_matrix_val")["confusion_matrix"]
    assert (detail["labels"], detail["confusion"]) == (matrix["classes"], matrix["counts"])
    for row, said in zip(detail["per_class"], figure_json(digits, "per_class_val")["per_class"], strict=True):
        assert (row["label"], row["support"]) == (said["name"], said["support"])
        assert row["recall"] == pytest.approx(said["recall"])
        assert row["auroc"] == said["auroc"]
    assert detail["reliability"]["ece"] == pytest.approx(last["metrics"]["val_ece"], abs=1e-6)
    assert sum(one["count"] for one in detail["reliability"]["bins"]) == sum(map(sum, matrix["counts"]))
    assert detail["metrics"] == last["metrics"]
    roc = figure_json(digits, "roc_micro_val")["roc_micro"]
    assert (detail["roc"]["auc"], detail["roc"]["tpr"][-1]) == (roc["auc"], 1.0)


def test_evaluation_that_was_not_kept_does_not_exist(digits_client: TestClient, base: str, digits: DigitsRuns) -> None:
    assert digits_client.get(f"{base}/evaluations/val/9").status_code == 404
    assert digits_client.get(f"{base}/evaluations/train/1").status_code == 422
    assert digits_client.get(f"/api/v1/runs/{digits.failed}/evaluations").json() == {"items": []}


def test_figures_are_sent_with_their_numbers(digits_client: TestClient, base: str) -> None:
    figures = {one["name"]: one for one in digits_client.get(f"{base}/figures").json()["items"]}
    matrix = figures["confusion_matrix_val"]
    assert (matrix["title"], matrix["epoch"]) == ("Confusion matrix, val", 2)
    png = digits_client.get(matrix["url"])
    assert (png.headers["Content-Type"], png.content[:4]) == ("image/png", b"\x89PNG")
    data = digits_client.get(matrix["data_url"]).json()
    assert len(data["content"]["confusion_matrix"]["counts"]) == NUM_CLASSES
    assert digits_client.get(f"{base}/figures/none").status_code == 404
    assert digits_client.get(f"{base}/figures/..%2fconfig/data").status_code in (404, 422)


def test_mistakes_come_most_confident_first(digits_client: TestClient, base: str) -> None:
    everything = digits_client.get(f"{base}/predictions", params={"limit": 500}).json()
    wrong = [one for one in everything["items"] if one["label"] != one["predicted"]]
    assert everything["total"] == len(everything["items"])
    mistakes = digits_client.get(f"{base}/predictions", params={"kind": "confident_mistakes", "limit": 500}).json()
    assert mistakes["total"] == len(wrong) > 0
    assert {one["path"] for one in mistakes["items"]} == {one["path"] for one in wrong}
    sureness = [one["probability"] for one in mistakes["items"]]
    assert sureness == sorted(sureness, reverse=True)
    worst = digits_client.get(f"{base}/predictions", params={"kind": "worst_loss", "limit": 3}).json()["items"]
    assert [one["loss"] for one in worst] == sorted((one["loss"] for one in everything["items"]), reverse=True)[:3]


def test_cell_of_the_confusion_matrix_gives_its_images_page_by_page(digits_client: TestClient, base: str) -> None:
    detail = digits_client.get(f"{base}/evaluations/val/2").json()
    label, predicted = max(
        ((row, column) for row in range(NUM_CLASSES) for column in range(NUM_CLASSES)),
        key=lambda cell: detail["confusion"][cell[0]][cell[1]],
    )
    found: list[str] = []
    cursor = None
    while True:
        params = {"true": label, "predicted": predicted, "limit": 3, "epoch": 2} | (
            {"cursor": cursor} if cursor else {}
        )
        page = digits_client.get(f"{base}/predictions", params=params).json()
        found += [one["path"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == detail["confusion"][label][predicted]
    assert digits_client.get(f"{base}/predictions", params={"cursor": "x"}).status_code == 422
    assert digits_client.get(f"{base}/predictions", params={"epoch": 77}).status_code == 404


@pytest.mark.process
def test_image_of_a_prediction_is_sent_small_and_as_it_is(
    digits_client: TestClient, digits: DigitsRuns, base: str
) -> None:
    one = digits_client.get(f"{base}/predictions", params={"limit": 1}).json()["items"][0]
    whole = digits_client.get(one["image_url"])
    assert whole.content == (digits.mounts / "datasets" / "digits" / one["path"]).read_bytes()
    small = digits_client.get(one["image_url"], params={"size": 64})
    assert small.headers["Content-Type"] == "image/webp"
    with Image.open(io.BytesIO(small.content)) as image:
        assert max(image.size) <= 64


@pytest.mark.parametrize("path", ["../../shared/runs/x.png", "/etc/passwd", "train", "val/0/none.png", "a.txt"])
def test_no_other_file_is_shown_as_an_image(digits_client: TestClient, base: str, path: str) -> None:
    answer = digits_client.get(f"{base}/predictions/images/{image_id_of(path)}")
    assert answer.status_code in (403, 404)
