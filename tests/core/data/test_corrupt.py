"""Corrupt files that a run skips: replaced in training, left out of metrics, listed, and limited."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from tests.support.file_size_limit import file_size_limit
from tests.support.noise_images import CONFIG, train_images, write_noise
from tests.support.recording_reporter import without_timings

from utp.config.train import TrainConfig
from utp.core.augmentations.standard import build_none
from utp.core.data.corrupt import CorruptFile, CorruptFileLog, CorruptFiles
from utp.core.data.loading import EvalBatches, ImageBatch, TrainBatches
from utp.core.data.manifest import Manifest, scan_dataset
from utp.core.data.transforms import Preprocessing
from utp.core.failures import classify_failure
from utp.errors import DatasetError, FailureKind

PREPROCESSING = Preprocessing(resize=(16, 16), crop=None, mean=(0.5,) * 3, std=(0.5,) * 3)
TORN = ("train/a/03.png", "train/b/04.png", "val/a/01.png")


def tear(path: Path) -> None:
    """Cut a file in half, as an interrupted copy does."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """12 and 6 train pictures and 4 of val, of which a PNG and a JPEG of train and a PNG of val are torn."""
    root = tmp_path_factory.mktemp("torn") / "data"
    write_noise(root, {"a": 12, "b": 6}, {"a": 2, "b": 2})
    jpeg = root / "train" / "b" / "04.jpg"
    Image.open(root / TORN[1]).save(jpeg)
    (root / TORN[1]).unlink()
    for path in (root / TORN[0], jpeg, root / TORN[2]):
        tear(path)
    return scan_dataset(root)


def test_file_whose_name_is_no_text_is_listed_and_refused_by_what_can_be_read(tmp_path: Path) -> None:
    found = [(os.fsdecode(b"train/a/\xe9.jpg"), "the file is empty")]
    notes: list[str] = []
    log, files = CorruptFileLog(tmp_path / "corrupt.json", notes.append), CorruptFiles(tmp_path, {"train": 10}, 0.1)
    files.listener = log.add
    files.add("train", found)
    files.add("train", found)  # once more in the next epoch
    listed = json.loads((tmp_path / "corrupt.json").read_text(encoding="utf-8"))
    assert [file["path"] for file in listed["files"]] == ["train/a/\\udce9.jpg"]
    assert len(notes) == 1
    with pytest.raises(DatasetError, match=r"udce9\.jpg"):
        files.add("train", [("train/a/2.jpg", "the file is empty")])


def test_list_that_a_full_disk_refuses_is_written_with_the_next_file(tmp_path: Path) -> None:
    log = CorruptFileLog(tmp_path / "corrupt.json", lambda sentence: None)
    with file_size_limit(0):
        log.add(CorruptFile("train", "a.jpg", "the file is empty"))
    assert list(tmp_path.iterdir()) == []
    log.add(CorruptFile("train", "b.jpg", "the file is empty"))
    assert json.loads((tmp_path / "corrupt.json").read_text())["counts"] == {"train": 2}


def load(manifest: Manifest, num_workers: int, epoch: int = 0, start: int = 0) -> tuple[list[ImageBatch], set[str]]:
    found: set[str] = set()
    batches = TrainBatches(
        manifest.splits["train"],
        manifest.root,
        build_none(PREPROCESSING),
        batch_size=4,
        seed=3,
        num_workers=num_workers,
        on_corrupt=lambda files: found.update(path for path, _ in files),
    )
    loaded = list(batches.epoch(epoch, start))
    batches.close()
    return loaded, found


@pytest.mark.process
def test_torn_file_is_replaced_by_one_of_its_class_alike_with_any_number_of_processes(manifest: Manifest) -> None:
    alone, found = load(manifest, num_workers=0)
    assert found == {"train/a/03.png", "train/b/04.jpg"}
    assert [len(batch.labels) for batch in alone] == [4, 4, 4, 4, 2]
    labels = torch.cat([batch.labels for batch in alone])
    assert labels.bincount().tolist() == [12, 6]
    samples = manifest.splits["train"]
    for batch in alone:
        for index, label in zip(batch.indices.tolist(), batch.labels.tolist(), strict=True):
            assert samples[index].path not in found
            assert samples[index].class_index == label
    with_processes, same = load(manifest, num_workers=2)
    assert same == found
    for one, other in zip(alone, with_processes, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.indices, other.indices)


def test_replacement_is_a_function_of_epoch_and_sample(manifest: Manifest) -> None:
    whole, _ = load(manifest, 0)
    rest, _ = load(manifest, 0, start=2)
    assert all(torch.equal(one.images, other.images) for one, other in zip(whole[2:], rest, strict=True))
    replaced = set()
    for epoch in range(6):
        indices = torch.cat([batch.indices for batch in load(manifest, 0, epoch)[0]]).tolist()
        replaced |= {index for index in indices if indices.count(index) == 2}
    assert len(replaced) > 2


@pytest.mark.process
@pytest.mark.parametrize("num_workers", [0, 2])
def test_evaluation_leaves_a_torn_file_out(manifest: Manifest, num_workers: int) -> None:
    found: list[tuple[str, str]] = []
    batches = EvalBatches(
        manifest.splits["val"],
        manifest.root,
        PREPROCESSING.eval_transform,
        batch_size=1,
        num_workers=num_workers,
        on_corrupt=found.extend,
    )
    assert [batch.indices.tolist() for batch in batches] == [[0], [2], [3]]
    assert found[0][0] == TORN[2]
    assert "truncated" in found[0][1]
    batches.close()


def test_class_without_a_readable_image_ends_the_run(tmp_path: Path) -> None:
    write_noise(tmp_path, {"a": 3, "b": 3}, {"a": 1})
    for path in (tmp_path / "train" / "b").iterdir():
        tear(path)
    with pytest.raises(DatasetError, match=r"no image of the class of train/b/0\d.png can be decoded"):
        load(scan_dataset(tmp_path), num_workers=0)


def test_more_than_the_limit_end_the_run_and_are_listed(tmp_path: Path) -> None:
    files = CorruptFiles(tmp_path, {"train": 200, "val": 10}, 0.01)
    told: list[CorruptFile] = []
    files.listener = told.append
    files.add("train", [("train/a/1.png", "torn"), ("train/a/2.png", "empty")])
    files.add("train", [("train/a/1.png", "torn")])  # the same in the next epoch
    with pytest.raises(
        DatasetError, match=r"3 of 200 images of train.*0\.01.*1\.png \(torn\).*3\.png \(torn\)"
    ) as caught:
        files.add("train", [("train/a/3.png", "torn")])
    assert classify_failure(caught.value) == FailureKind.DATA_ERROR
    assert [file.path for file in told] == ["train/a/1.png", "train/a/2.png", "train/a/3.png"]
    with pytest.raises(DatasetError, match="1 of 10 images of val"):
        files.add("val", [("val/a/1.png", "torn")])


def test_list_of_an_attempt_holds_every_file_once(tmp_path: Path) -> None:
    notes: list[str] = []
    log = CorruptFileLog(tmp_path / "corrupt.json", notes.append)
    log.write()
    assert not (tmp_path / "corrupt.json").exists()
    for number in range(30):
        log.add(CorruptFile("train", f"{number}.png", "torn"))
        assert len(json.loads((tmp_path / "corrupt.json").read_text())["files"]) > 0.9 * number
    log.write()
    content = json.loads((tmp_path / "corrupt.json").read_text())
    assert content["counts"] == {"train": 30}
    assert content["files"][29] == {"split": "train", "path": "29.png", "reason": "torn"}
    assert notes[0] == "0.png can't be decoded and is left out of train: torn"


def test_run_that_skips_resumes_exactly_and_scores_only_what_it_read(manifest: Manifest) -> None:
    folder = manifest.root.parent
    config = replace(CONFIG, on_corrupt="skip", max_corrupt_share=0.3)
    undisturbed, weights = train_images(folder, config, "a")
    before, _ = train_images(folder, config, "b", stop_after_step=2)
    after, others = train_images(folder, config, "b")
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert without_timings(before.rows + after.rows) == without_timings(undisturbed.rows)
    accuracy = next(row["val_acc@1"] for row in undisturbed.rows if row["kind"] == "epoch")
    assert accuracy * 3 == pytest.approx(round(accuracy * 3))  # of 3 images, not 4


def test_run_over_the_default_limit_ends(manifest: Manifest) -> None:
    with pytest.raises(DatasetError, match=r"images of train can't be decoded, more than max_corrupt_share 0\.01"):
        train_images(manifest.root.parent, replace(CONFIG, on_corrupt="skip"), "limit")


@pytest.mark.parametrize("fields", [{"max_corrupt_share": 0.1}, {"on_corrupt": "skip", "max_corrupt_share": 1.0}])
def test_limit_without_effect_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="max_corrupt_share"):
        TrainConfig(root="x", model_flavour="x", **fields)
