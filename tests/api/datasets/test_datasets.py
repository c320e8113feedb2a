"""A dataset is registered by its folder, scanned by a process of its own, and shown image by image."""

from __future__ import annotations

import io
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from utp.api.services import Services
from utp.core.data.manifest import scan_dataset
from utp.entrypoints.scan import scan
from utp.settings import Settings
from utp.store.database import Database
from utp.store.recorder.datasets import MAX_SCANS, SCAN_SILENCE_S


@pytest.fixture
def fruit(settings: Settings) -> Path:
    """Three classes, with one of everything that may be wrong."""
    assert settings.datasets_dir is not None
    root = settings.datasets_dir / "fruit"
    for index, place in enumerate(
        ["train/apple/1", "train/apple/2", "train/kiwi/1", "train/pear/1", "val/apple/1", "val/kiwi/1", "val/plum/1"]
    ):
        path = root / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 + index, 30), (index, 0, 0)).save(path)
    shutil.copy(root / "train/apple/1.png", root / "val/apple/copy.png")
    (root / "train/kiwi/bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    Image.new("RGB", (9, 9)).save(root / "train/pear/small.png")
    (root / "train/lemon").mkdir()
    return root


@pytest.fixture
def dataset_id(client: TestClient, project_id: str, fruit: Path) -> str:
    made = client.post(f"/api/v1/projects/{project_id}/datasets", json={"root": "fruit"})
    assert made.status_code == 201, made.text
    assert (made.json()["name"], made.json()["root"], made.json()["scan"]["state"]) == ("fruit", "fruit", "none")
    return str(made.json()["id"])


@pytest.fixture
def scanned(client: TestClient, database: Database, settings: Settings, services: Services, dataset_id: str) -> str:
    """The dataset, scanned in this process."""
    token = services.recorder.begin_scan(dataset_id)
    assert token is not None
    scan(database, settings, dataset_id, token)
    return dataset_id


def test_scan_counts_and_says_all_that_is_wrong(client: TestClient, scanned: str) -> None:
    found = client.get(f"/api/v1/datasets/{scanned}").json()
    assert [found["scan"][name] for name in ("state", "num_seen", "num_total")] == ["done", 10, 10]
    assert [(one["name"], one["num_images"]) for one in found["splits"]] == [("train", 6), ("val", 4)]
    assert (found["num_images"], found["num_classes"], found["fingerprint"]) == (10, 4, None)
    problems = {one["kind"]: one for one in found["problems"]}
    assert {kind: (one["count"], one["paths"]) for kind, one in problems.items()} == {
        "corrupt": (1, ["train/kiwi/bad.jpg"]),
        "duplicate_across_splits": (2, ["train/apple/1.png", "val/apple/copy.png"]),
        "tiny": (1, ["train/pear/small.png"]),
        "empty_class": (1, ["train/lemon"]),
        "class_missing_in_val": (2, ["val/lemon", "val/pear"]),
        "class_only_in_val": (1, ["val/plum"]),
    }
    assert problems["class_only_in_val"]["severity"] == "error"


def test_balance_is_by_class_and_split(client: TestClient, scanned: str) -> None:
    balance = client.get(f"/api/v1/datasets/{scanned}/classes").json()
    counts = {one["label"]: one["counts"] for one in balance["items"]}
    assert counts["apple"] == {"train": 2, "val": 2, "test": 0}
    assert balance["imbalance_ratio"] == 1.0


def test_samples_are_read_page_by_page_and_by_class(client: TestClient, scanned: str) -> None:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        params: dict[str, Any] = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"/api/v1/datasets/{scanned}/samples", params=params).json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len({one["id"] for one in found}) == len(found) == 10
    params = {"split": "val", "label": "apple"}
    apples = client.get(f"/api/v1/datasets/{scanned}/samples", params=params).json()["items"]
    assert [one["path"] for one in apples] == ["val/apple/1.png", "val/apple/copy.png"]
    assert (apples[0]["width"], apples[0]["height"]) == (44, 30)


@pytest.mark.process
def test_image_is_sent_small_for_ever_and_as_it_is(
    client: TestClient, services: Services, scanned: str, fruit: Path
) -> None:
    params = {"split": "train", "label": "apple"}
    sample = client.get(f"/api/v1/datasets/{scanned}/samples", params=params).json()["items"][0]
    small = client.get(sample["thumbnail_url"])
    assert "immutable" in small.headers["Cache-Control"]
    with Image.open(io.BytesIO(small.content)) as image:
        assert (image.format, image.size) == ("WEBP", (40, 30))
    whole = client.get(f"/api/v1/datasets/{scanned}/images/{sample['id']}")
    assert whole.content == (fruit / sample["path"]).read_bytes()
    (corrupt,) = [
        one
        for one in client.get(f"/api/v1/datasets/{scanned}/samples").json()["items"]
        if one["path"].endswith("bad.jpg")
    ]
    assert client.get(corrupt["thumbnail_url"]).status_code == 422
    services.close()


def test_sound_dataset_gets_the_fingerprint_that_runs_record(
    client: TestClient, database: Database, settings: Settings, services: Services, dataset_id: str, fruit: Path
) -> None:
    shutil.rmtree(fruit / "train/lemon")
    shutil.rmtree(fruit / "val/plum")
    token = services.recorder.begin_scan(dataset_id)
    assert token is not None
    scan(database, settings, dataset_id, token)
    found = client.get(f"/api/v1/datasets/{dataset_id}").json()
    assert found["fingerprint"] == scan_dataset(fruit).fingerprint
    assert [one["fingerprint"] for one in found["versions"]] == [found["fingerprint"]]


@pytest.mark.process
def test_scan_runs_in_a_process_of_its_own(client: TestClient, services: Services, dataset_id: str) -> None:
    began = client.post(f"/api/v1/datasets/{dataset_id}/scan")
    assert (began.status_code, began.json()["scan"]["state"]) == (202, "running")
    assert client.post(f"/api/v1/datasets/{dataset_id}/scan").status_code == 202
    deadline = time.monotonic() + 120
    while (state := client.get(f"/api/v1/datasets/{dataset_id}").json()["scan"]["state"]) == "running":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert state == "done"
    services.close()


def test_scan_that_died_has_failed_and_may_be_begun_again(
    client: TestClient, services: Services, dataset_id: str
) -> None:
    clock = [1_000_000.0]
    services.database._clock = lambda: clock[0]
    first = services.recorder.begin_scan(dataset_id)
    assert services.recorder.begin_scan(dataset_id) is None
    clock[0] += SCAN_SILENCE_S + 1
    second = services.recorder.begin_scan(dataset_id)
    assert second not in (None, first)
    assert first is not None
    assert not services.recorder.beat_scan(dataset_id, first, num_seen=1, num_total=2, message="late")
    services.recorder.end_scan(dataset_id, first, message="late")
    assert services.recorder.begin_scan(dataset_id) is None


def test_only_a_few_scans_run_at_once(
    client: TestClient, services: Services, settings: Settings, project_id: str
) -> None:
    assert settings.datasets_dir is not None
    ids = []
    for number in range(MAX_SCANS + 1):
        (settings.datasets_dir / f"d{number}").mkdir()
        made = client.post(f"/api/v1/projects/{project_id}/datasets", json={"root": f"d{number}"})
        ids.append(made.json()["id"])
    for one in ids[:-1]:
        services.recorder.begin_scan(one)
    assert client.post(f"/api/v1/datasets/{ids[-1]}/scan").status_code == 409


def test_vanished_folder_fails_its_scan_with_the_reason(
    client: TestClient, database: Database, settings: Settings, services: Services, dataset_id: str, fruit: Path
) -> None:
    shutil.rmtree(fruit)
    token = services.recorder.begin_scan(dataset_id)
    assert token is not None
    scan(database, settings, dataset_id, token)
    state = client.get(f"/api/v1/datasets/{dataset_id}").json()["scan"]
    assert state["state"] == "failed"
    assert "is not there" in state["message"]


@pytest.mark.parametrize("root", ["../fruit", "/etc", "fruit/../..", "nothing", "a\0b", "", "%2e%2e/x"])
def test_folder_outside_the_mount_or_absent_is_refused(
    client: TestClient, project_id: str, fruit: Path, root: str
) -> None:
    answer = client.post(f"/api/v1/projects/{project_id}/datasets", json={"root": root})
    assert answer.status_code == (400 if "\0" in root else 422)


def test_dataset_is_registered_once_and_removed_without_its_files(
    client: TestClient, project_id: str, dataset_id: str, fruit: Path
) -> None:
    url = f"/api/v1/projects/{project_id}/datasets"
    assert client.post(url, json={"root": "./fruit"}).status_code == 409
    assert [one["id"] for one in client.get(url).json()["items"]] == [dataset_id]
    assert client.get(f"/api/v1/datasets/{dataset_id}/samples").status_code == 409
    assert client.delete(f"/api/v1/datasets/{dataset_id}").status_code == 204
    assert client.get(f"/api/v1/datasets/{dataset_id}").status_code == 404
    assert (fruit / "train").is_dir()


def test_other_samples_do_not_exist(client: TestClient, scanned: str) -> None:
    assert client.get(f"/api/v1/datasets/{scanned}/images/{'e' * 32}").status_code == 404
    assert client.get(f"/api/v1/datasets/{scanned}/images/..%2f..%2fx").status_code in (404, 422)
    assert client.get(f"/api/v1/datasets/{'e' * 32}/classes").status_code == 404
