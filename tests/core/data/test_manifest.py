"""Scanning: one class map from train, refusals by name, identity of samples, caps."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.support.file_size_limit import file_size_limit

from utp.core.data.manifest import cap_samples, scan_dataset
from utp.errors import ConfigError, DatasetError


def add_image(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (shade, 7, 9)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes, three images each in train, one each in val."""
    folder = tmp_path / "pets"
    for shade, name in enumerate(("cat", "dog")):
        for number in range(3):
            add_image(folder / "train" / name / f"{number}.png", shade * 10 + number)
        add_image(folder / "val" / name / "9.png", 100 + shade)
    return folder


def refusal(root: Path, **options: object) -> str:
    with pytest.raises(DatasetError) as caught:
        scan_dataset(root, **options)  # type: ignore[arg-type]
    assert caught.value.root == str(root.resolve())
    return caught.value.problem


def test_classes_are_the_sorted_folders_of_train(root: Path) -> None:
    manifest = scan_dataset(root)
    assert manifest.classes == ("cat", "dog")
    assert [sample.path for sample in manifest.splits["val"]] == ["val/cat/9.png", "val/dog/9.png"]
    assert [sample.class_index for sample in manifest.splits["train"]] == [0, 0, 0, 1, 1, 1]
    assert list(manifest.splits) == ["train", "val"]
    assert manifest.warnings == ()


@pytest.mark.fault  # row 42
def test_class_missing_in_val_does_not_shift_the_others(root: Path) -> None:
    shutil.rmtree(root / "val" / "cat")
    manifest = scan_dataset(root)
    assert [sample.class_index for sample in manifest.splits["val"]] == [1]
    assert manifest.warnings == ("class 'cat' has no images in val, so its metrics there say nothing",)


def test_label_map_decides_the_indices(root: Path) -> None:
    manifest = scan_dataset(root, label_map={"dog": 0, "cat": 1})
    assert manifest.classes == ("dog", "cat")
    assert {sample.path: sample.class_index for sample in manifest.splits["val"]} == {
        "val/cat/9.png": 1,
        "val/dog/9.png": 0,
    }


@pytest.mark.parametrize(
    ("label_map", "sentence"),
    [
        ({"cat": 0}, "does not name 'dog' of train"),
        ({"cat": 0, "dog": 1, "cow": 2}, "names 'cow', which train does not"),
    ],
)
def test_label_map_must_name_exactly_the_classes(root: Path, label_map: dict[str, int], sentence: str) -> None:
    assert sentence in refusal(root, label_map=label_map)


def test_absent_root_is_refused(tmp_path: Path) -> None:
    assert "is not there; check root" in refusal(tmp_path / "nowhere")


def test_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pets.zip").write_bytes(b"PK")
    assert "is a file, not a folder" in refusal(tmp_path / "pets.zip")


@pytest.mark.parametrize("split", ["train", "val"])
def test_absent_split_is_refused_with_the_layout_and_what_is_there(root: Path, split: str) -> None:
    (root / split).rename(root / "validation")
    problem = refusal(root)
    assert f"has no folder {split!r}" in problem
    assert "validation" in problem
    assert "ROOT/train/CLASS/*.jpg" in problem


def test_images_directly_in_train_are_told(root: Path) -> None:
    shutil.rmtree(root / "train")
    add_image(root / "train" / "1.png")
    add_image(root / "train" / "2.png")
    assert "2 images lie directly in it" in refusal(root)


def test_empty_train_is_refused(root: Path) -> None:
    shutil.rmtree(root / "train")
    (root / "train").mkdir()
    assert "train has no class folders, it is empty" in refusal(root)


@pytest.mark.fault  # row 42
def test_empty_class_in_train_is_refused_by_name(root: Path) -> None:
    (root / "train" / "newt").mkdir()
    (root / "train" / "newt" / "notes.txt").write_text("soon")
    assert refusal(root).startswith("class 'newt' in train holds no images")


@pytest.mark.fault  # row 42
def test_one_class_is_refused(root: Path) -> None:
    shutil.rmtree(root / "train" / "dog")
    assert "only one class, 'cat'" in refusal(root)


@pytest.mark.fault  # row 42
@pytest.mark.parametrize("split", ["val", "test"])
def test_class_only_in_val_or_test_is_refused_by_name(root: Path, split: str) -> None:
    add_image(root / split / "Dog " / "1.png")
    problem = refusal(root)
    assert problem.startswith(f"class 'Dog ' in {split} is no class of train")
    assert "did you mean 'dog' for 'Dog '?" in problem


def test_val_without_images_is_refused(root: Path) -> None:
    shutil.rmtree(root / "val")
    (root / "val" / "cat").mkdir(parents=True)
    assert "val holds no images" in refusal(root)


def test_empty_test_is_left_out_with_a_warning(root: Path) -> None:
    (root / "test" / "cat").mkdir(parents=True)
    manifest = scan_dataset(root)
    assert "test" not in manifest.splits
    assert manifest.warnings == ("test holds no images in class folders and is not used",)


def test_images_outside_class_folders_and_other_files_are_counted(root: Path) -> None:
    add_image(root / "val" / "stray.png")
    (root / "train" / "cat" / "labels.csv").write_text("a,b")
    (root / "train" / "cat" / ".DS_Store").write_text("hidden")
    assert scan_dataset(root).warnings == (
        "1 images lie in val outside class folders and are not used",
        "1 files in train are no images and are not used",
    )


def test_class_folders_are_walked_recursively_and_extensions_in_any_case(root: Path) -> None:
    add_image(root / "train" / "cat" / "day1" / "a.PNG")
    add_image(root / "train" / "cat" / "day1" / ".hidden.png")
    paths = [sample.path for sample in scan_dataset(root).splits["train"]]
    assert paths[3] == "train/cat/day1/a.PNG"
    assert len(paths) == 7


def test_link_to_a_file_is_followed(root: Path, tmp_path: Path) -> None:
    add_image(tmp_path / "elsewhere.png", 55)
    (root / "train" / "cat" / "z.png").symlink_to(tmp_path / "elsewhere.png")
    assert "train/cat/z.png" in {sample.path for sample in scan_dataset(root).splits["train"]}


def test_link_to_a_file_may_not_lead_out_of_the_mount(root: Path, tmp_path: Path) -> None:
    add_image(tmp_path / "elsewhere.png", 55)
    link = root / "train" / "cat" / "z.png"
    link.symlink_to(tmp_path / "elsewhere.png")
    assert "train/cat/z.png" in {sample.path for sample in scan_dataset(root, mount=tmp_path).splits["train"]}
    assert refusal(root, mount=root).startswith(f"train/cat/z.png is a link out of {root} (DATASETS_DIR)")


def test_broken_link_is_refused_by_name(root: Path) -> None:
    (root / "train" / "cat" / "z.png").symlink_to("nowhere.png")
    assert refusal(root).startswith("train/cat/z.png is a link to a file that is not there")


def test_folder_link_out_of_the_root_is_refused(root: Path, tmp_path: Path) -> None:
    add_image(tmp_path / "cows" / "1.png")
    (root / "train" / "cow").symlink_to(tmp_path / "cows")
    assert refusal(root).startswith("train/cow is a link out of the dataset")


def test_folder_link_that_loops_is_refused(root: Path) -> None:
    (root / "train" / "cat" / "again").symlink_to(root / "train")
    assert refusal(root).startswith("train/cat/again is a link to")


def test_links_into_each_others_folders_are_refused(root: Path) -> None:
    (root / "train" / "cat" / "more").symlink_to(root / "train" / "dog")
    assert len(scan_dataset(root).splits["train"]) == 9
    (root / "train" / "dog" / "more").symlink_to(root / "train" / "cat")
    assert "train/cat/more/more is a link to" in refusal(root)


@pytest.mark.parametrize("place", ["train/loop", "train/cat/loop", "train/cat/loop.png"])
def test_link_to_itself_is_refused_by_name(root: Path, place: str) -> None:
    (root / place).symlink_to(root / place)
    assert f"{place} leads nowhere" in refusal(root)


def test_link_to_a_class_folder_that_is_not_there_is_refused_and_not_passed_over(root: Path) -> None:
    (root / "train" / "fox").symlink_to(root / "nowhere")
    assert "train/fox is a link to a folder that is not there" in refusal(root)


def test_pipe_with_the_name_of_an_image_is_refused_as_what_it_is(root: Path) -> None:
    os.mkfifo(root / "train" / "cat" / "a.jpg")
    assert "train/cat/a.jpg is no file, but a pipe" in refusal(root)


def test_folder_that_may_not_be_opened_is_refused_by_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def guarded(folder: Path) -> Any:  # root, who runs tests too, may open everything
        if folder.name == "dog":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    assert "train/dog can't be opened (Permission denied)" in refusal(root)


def test_class_whose_name_is_no_text_is_refused(root: Path) -> None:
    add_image(root / "train" / os.fsdecode(b"caf\xe9") / "0.png")
    assert "train/caf\\udce9 has a name that is no UTF-8" in refusal(root)


def test_image_whose_name_is_no_text_is_taken(root: Path) -> None:
    (root / "train" / "cat" / "0.png").rename(root / "train" / "cat" / os.fsdecode(b"\xe9.png"))
    assert len(scan_dataset(root).splits["train"]) == 6


@pytest.mark.parametrize("twin", ["Cat", "CAT", "cat ", "\uff43at"])
def test_classes_that_differ_in_writing_alone_are_warned_of(root: Path, twin: str) -> None:
    for split in ("train", "val"):
        add_image(root / split / twin / "7.png", 50)
    (sentence,) = scan_dataset(root).warnings
    assert repr(twin) in sentence
    assert "'cat'" in sentence


def test_class_of_val_in_other_code_points_is_told_its_twin(root: Path) -> None:
    add_image(root / "train" / "caf\u00e9" / "0.png")
    add_image(root / "val" / "cafe\u0301" / "0.png")
    assert "did you mean 'caf\u00e9' for 'cafe\u0301'?" in refusal(root)


def test_identity_is_independent_of_place_and_times(root: Path, tmp_path: Path) -> None:
    first = scan_dataset(root)
    copy = tmp_path / "elsewhere"
    shutil.copytree(root, copy)
    os.utime(copy / "train" / "cat" / "0.png", (1, 1))
    second = scan_dataset(copy)
    assert second.fingerprint == first.fingerprint
    assert second.splits == first.splits


def test_identity_changes_with_content_place_and_class_order(root: Path) -> None:
    prints = {scan_dataset(root).fingerprint, scan_dataset(root, label_map={"dog": 0, "cat": 1}).fingerprint}
    (root / "train" / "cat" / "0.png").rename(root / "train" / "cat" / "00.png")
    prints.add(scan_dataset(root).fingerprint)
    add_image(root / "train" / "cat" / "00.png", 200)
    prints.add(scan_dataset(root).fingerprint)
    assert len(prints) == 4


def test_copies_have_one_content_hash_and_two_ids(root: Path) -> None:
    shutil.copy(root / "train" / "cat" / "0.png", root / "train" / "cat" / "1.png")
    first, second, *_ = scan_dataset(root).splits["train"]
    assert first.content_hash == second.content_hash
    assert first.sample_id != second.sample_id


def settle(root: Path) -> None:
    """Set all files' times to long ago: hashes of young files are not kept."""
    for path in root.rglob("*.png"):
        os.utime(path, (1_000_000, 1_000_000))


def test_cached_hash_is_used_while_size_and_time_stay(root: Path, tmp_path: Path) -> None:
    settle(root)
    before = scan_dataset(root, cache_dir=tmp_path / "cache")
    target = root / "train" / "cat" / "0.png"
    content = bytearray(target.read_bytes())
    content[-1] ^= 1
    target.write_bytes(content)
    os.utime(target, (1_000_000, 1_000_000))
    assert scan_dataset(root, cache_dir=tmp_path / "cache").fingerprint == before.fingerprint
    os.utime(target, (2_000_000, 2_000_000))
    assert scan_dataset(root, cache_dir=tmp_path / "cache").fingerprint != before.fingerprint


def test_young_file_is_not_cached(root: Path, tmp_path: Path) -> None:
    scan_dataset(root, cache_dir=tmp_path / "cache")
    (cache_file,) = (tmp_path / "cache").iterdir()
    assert json.loads(cache_file.read_text())["path"] == []


@pytest.mark.parametrize("content", ["", '{"schema": 1', "[]", '{"schema": 2, "root": ""}', '{"schema": 1, "root": 3}'])
def test_torn_or_foreign_cache_is_ignored_and_replaced(root: Path, tmp_path: Path, content: str) -> None:
    settle(root)
    first = scan_dataset(root, cache_dir=tmp_path / "cache")
    (cache_file,) = (tmp_path / "cache").iterdir()
    cache_file.write_text(content)
    assert scan_dataset(root, cache_dir=tmp_path / "cache") == first
    assert len(json.loads(cache_file.read_text())["path"]) == 8


def test_cache_that_can_not_be_written_does_not_fail_the_scan(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert scan_dataset(root, cache_dir=tmp_path / "cache") == scan_dataset(root)


def test_cache_that_a_full_disk_refuses_leaves_nothing_behind(root: Path, tmp_path: Path) -> None:
    for path in root.rglob("*.png"):
        os.utime(path, (0, 0))  # settled, so that they are in it
    with file_size_limit(10):
        scan_dataset(root, cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_progress_counts_every_file(root: Path) -> None:
    seen: list[tuple[int, int]] = []
    scan_dataset(root, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number, 8) for number in range(1, 9)]


def test_cap_keeps_so_many_of_each_class_in_order(root: Path) -> None:
    manifest = scan_dataset(root)
    train = manifest.splits["train"]
    kept = cap_samples(train, manifest.classes, 2, data_seed=0)
    assert [sample.class_index for sample in kept] == [0, 0, 1, 1]
    assert list(kept) == [sample for sample in train if sample in kept]


def test_cap_by_class_in_class_order_or_by_name(root: Path) -> None:
    manifest = scan_dataset(root)
    train = manifest.splits["train"]
    by_order = cap_samples(train, manifest.classes, (1, 2), data_seed=0)
    by_name = cap_samples(train, manifest.classes, {"cat": 1, "dog": 2}, data_seed=0)
    assert [sample.class_index for sample in by_order] == [0, 1, 1]
    assert by_order == by_name
    assert len(cap_samples(train, manifest.classes, {"cat": 1}, data_seed=0)) == 4


def test_cap_changes_with_data_seed_and_not_with_images_elsewhere(root: Path) -> None:
    def kept(seed: int) -> tuple[str, ...]:
        manifest = scan_dataset(root)
        chosen = cap_samples(manifest.splits["train"], manifest.classes, 1, data_seed=seed)
        return tuple(sample.path for sample in chosen if sample.class_index == 0)

    before = [kept(seed) for seed in range(8)]
    assert len(set(before)) > 1
    for number in range(5):
        add_image(root / "train" / "dog" / f"more{number}.png", 150 + number)
    assert [kept(seed) for seed in range(8)] == before


@pytest.mark.parametrize(
    ("caps", "sentence"), [((1,), "has 1 numbers for 2 classes"), ({"cow": 1}, "'cow' is no class of train")]
)
def test_cap_that_does_not_fit_the_classes_is_refused(root: Path, caps: object, sentence: str) -> None:
    manifest = scan_dataset(root)
    with pytest.raises(ConfigError, match=sentence) as caught:
        cap_samples(manifest.splits["train"], manifest.classes, caps, data_seed=0)  # type: ignore[arg-type]
    assert caught.value.problems[0].startswith("max_datapoints_per_class: ")
