"""The decoded cache: the same pixels in every process and run, whole or made anew, and corrupt files as without it."""

from __future__ import annotations

import pickle
import shutil
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.noise_images import CONFIG, train_images, write_noise

from utp.core.augmentations.entries import StandardOptions
from utp.core.augmentations.standard import build as build_standard
from utp.core.data import decoded_cache
from utp.core.data.decoded_cache import DecodedCache, list_caches, open_cache, scaled_picture
from utp.core.data.loading import TrainBatches
from utp.core.data.manifest import Manifest, scan_dataset
from utp.core.data.transforms import Preprocessing
from utp.core.tasks.image_classification import build
from utp.errors import ConfigError, CorruptImage
from utp.settings import Settings

PREPROCESSING = Preprocessing(resize=16, crop=(16, 16), mean=(0.5,) * 3, std=(0.5,) * 3)
CACHED = replace(CONFIG, decoded_cache=True, cache_edge=32)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    write_noise(tmp_path / "data", {"a": 4, "b": 3}, {"a": 1})
    return scan_dataset(tmp_path / "data")


def cached(manifest: Manifest, folder: Path, edge: int = 16) -> DecodedCache:
    return open_cache(manifest.splits["train"], manifest.root, edge=edge, directory=folder / "decoded")


def picture(cache: DecodedCache, manifest: Manifest, index: int) -> torch.Tensor:
    return cache.picture(index, manifest.root / manifest.splits["train"][index].path)


def test_picture_is_the_file_scaled_to_the_edge_and_read_from_the_cache(manifest: Manifest, tmp_path: Path) -> None:
    files = [manifest.root / sample.path for sample in manifest.splits["train"]]
    expected = [scaled_picture(file, 16) for file in files]
    cache = cached(manifest, tmp_path)
    shutil.rmtree(manifest.root)
    for index, pixels in enumerate(expected):
        assert pixels.shape == (3, 16, 19)  # of 20 x 24
        assert torch.equal(picture(cache, manifest, index), pixels)


def test_smaller_picture_keeps_its_pixels(manifest: Manifest, tmp_path: Path) -> None:
    cache = cached(manifest, tmp_path, edge=64)
    expected = np.array(Image.open(manifest.root / manifest.splits["train"][0].path))
    assert torch.equal(picture(cache, manifest, 0), torch.from_numpy(expected).permute(2, 0, 1))


def test_second_opening_decodes_nothing(manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(manifest, tmp_path)
    monkeypatch.setattr(decoded_cache, "_write", None)
    cached(manifest, tmp_path)


def test_other_edge_or_content_is_another_file(manifest: Manifest, tmp_path: Path) -> None:
    first, second = cached(manifest, tmp_path), cached(manifest, tmp_path, edge=12)
    (manifest.root / "train" / "a" / "00.png").write_bytes((manifest.root / "train" / "b" / "00.png").read_bytes())
    third = cached(scan_dataset(manifest.root), tmp_path)
    assert len({first.path, second.path, third.path}) == 3
    assert list_caches(tmp_path / "decoded") == sorted([first.path, second.path, third.path])


@pytest.mark.parametrize("fault", ["cut", "empty", "zeroed end", "no index", "flipped pixel"])
def test_torn_file_is_made_anew(manifest: Manifest, tmp_path: Path, fault: str) -> None:
    path = cached(manifest, tmp_path).path
    whole = path.read_bytes()
    torn = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "zeroed end": whole[:-64] + bytes(64),
        "no index": whole[:100] + whole[-20:],
        "flipped pixel": bytes([whole[0] ^ 1]) + whole[1:],
    }
    path.write_bytes(torn[fault])
    assert not DecodedCache(path, 16).is_sound(7)
    cached(manifest, tmp_path)
    assert path.read_bytes() == whole


def test_file_that_went_away_gives_the_same_pixels_from_the_pictures(manifest: Manifest, tmp_path: Path) -> None:
    cache = cached(manifest, tmp_path)
    expected = picture(cache, manifest, 2).clone()
    gone = pickle.loads(pickle.dumps(cache))
    cache.path.unlink()
    assert torch.equal(picture(gone, manifest, 2), expected)


def test_two_that_race_make_it_once(manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, write = [], decoded_cache._write
    monkeypatch.setattr(decoded_cache, "_write", lambda path, *rest: (written.append(path), write(path, *rest)))
    with ThreadPoolExecutor(4) as pool:
        caches = list(pool.map(lambda _: cached(manifest, tmp_path), range(4)))
    assert len(written) == 1
    assert all(torch.equal(picture(cache, manifest, 0), picture(caches[0], manifest, 0)) for cache in caches)


def test_death_while_writing_leaves_no_cache(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(num_done: int, num_total: int) -> None:
        if num_done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_cache(manifest.splits["train"], manifest.root, edge=16, directory=tmp_path / "decoded", on_progress=die)
    assert list_caches(tmp_path / "decoded") == []


def test_full_disk_is_refused_before_anything_is_written(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")(1, 1, 7 * 3 * 16 * 19 - 1)
    monkeypatch.setattr(decoded_cache.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ConfigError, match=r"decoded_cache: needs 6384 bytes in .*, where 6383 are free; free some"):
        cached(manifest, tmp_path)
    assert list_caches(tmp_path / "decoded") == []


@pytest.mark.parametrize("skips", [False, True])
def test_corrupt_file_counts_as_without_a_cache(manifest: Manifest, tmp_path: Path, skips: bool) -> None:
    (manifest.root / "train" / "a" / "01.png").write_bytes(b"")
    manifest = scan_dataset(manifest.root)
    found: list[list[tuple[str, str]]] = []
    for cache in (None, cached(manifest, tmp_path)):
        found.append([])
        batches = TrainBatches(
            manifest.splits["train"],
            manifest.root,
            build_standard(PREPROCESSING, StandardOptions()),
            batch_size=3,
            seed=0,
            cache=cache,
            on_corrupt=found[-1].extend if skips else None,
        )
        if skips:
            list(batches.epoch(0))
        else:
            with pytest.raises(CorruptImage, match="the file is empty"):
                list(batches.epoch(0))
    assert found[0] == found[1] == ([("train/a/01.png", "the file is empty")] if skips else [])


@pytest.mark.process
def test_loader_processes_give_the_same_bits(manifest: Manifest, tmp_path: Path) -> None:
    images = []
    for num_workers in (0, 2):
        batches = TrainBatches(
            manifest.splits["train"],
            manifest.root,
            build_standard(PREPROCESSING, StandardOptions()),
            batch_size=3,
            seed=0,
            cache=cached(manifest, tmp_path),
            num_workers=num_workers,
        )
        images.append(torch.cat([batch.images for batch in batches.epoch(0)]))
        batches.close()
    assert torch.equal(*images)


def test_stopped_run_with_a_cache_resumes_bit_exactly(manifest: Manifest, tmp_path: Path) -> None:
    _, unbroken = train_images(tmp_path, CACHED, "unbroken")
    train_images(tmp_path, CACHED, "stopped", stop_after_step=1)
    for file in list_caches(tmp_path / "cache" / "decoded"):
        file.unlink()  # it is made anew, to the same pixels
    _, resumed = train_images(tmp_path, CACHED, "stopped")
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)


@pytest.mark.parametrize(("split", "num_made"), [("val", 1), ("test", 0), (None, 2)])
def test_evaluation_makes_no_cache_but_that_of_its_split(
    manifest: Manifest, tmp_path: Path, split: str | None, num_made: int
) -> None:
    settings = Settings(DATASETS_DIR=tmp_path, UTP_CACHE_DIR=tmp_path / "cache")
    task = build(CACHED, settings, evaluates=split)
    task.close()
    assert len(list_caches(tmp_path / "cache" / "decoded")) == num_made


def test_edge_below_what_the_model_sees_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    settings = Settings(DATASETS_DIR=tmp_path, UTP_CACHE_DIR=tmp_path / "cache")
    with pytest.raises(ConfigError, match="cache_edge: 24 is less than the 32 pixels that the model sees; raise it"):
        build(replace(CACHED, cache_edge=24), settings)


def test_edge_without_a_cache_is_refused() -> None:
    with pytest.raises(ValueError, match="has no effect without decoded_cache"):
        replace(CONFIG, cache_edge=64)
