"""Loading: the same bits with any number of processes and from any batch on; failures arrive as what they are."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from utp.core.augmentations.entries import StandardOptions
from utp.core.augmentations.standard import build
from utp.core.data import loader
from utp.core.data.loading import EvalBatches, ImageBatch, TrainBatches
from utp.core.data.manifest import Manifest, scan_dataset
from utp.core.data.transforms import Preprocessing
from utp.errors import CorruptImage, DataLoaderWorkerDied, DatasetError

PREPROCESSING = Preprocessing(resize=18, crop=(16, 16), mean=(0.5,) * 3, std=(0.5,) * 3)
AUGMENT = build(PREPROCESSING, StandardOptions())
NUM_TRAIN = 22


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """22 train and 6 val pictures of noise, two classes."""
    root = tmp_path_factory.mktemp("noise")
    noise = np.random.default_rng(0)
    for split, count in (("train", NUM_TRAIN // 2), ("val", 3)):
        for name in ("a", "b"):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = noise.integers(0, 256, (20, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number:02d}.png")
    return scan_dataset(root)


def train_batches(manifest: Manifest, **options: Any) -> TrainBatches:
    settings = {"batch_size": 4, "seed": 5} | options
    transform = settings.pop("transform", AUGMENT)
    return TrainBatches(manifest.splits["train"], manifest.root, transform, **settings)


def assert_equal(first: list[ImageBatch], second: list[ImageBatch]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def reference(manifest: Manifest) -> list[ImageBatch]:
    """Epoch 3, loaded in this process."""
    return list(train_batches(manifest).epoch(3))


def test_epoch_holds_every_sample_once_with_its_label(manifest: Manifest, reference: list[ImageBatch]) -> None:
    indices = torch.cat([batch.indices for batch in reference])
    assert sorted(indices.tolist()) == list(range(NUM_TRAIN))
    assert indices.tolist() != sorted(indices.tolist())
    for batch in reference:
        assert batch.images.dtype == torch.uint8
        assert batch.images.shape[1:] == (3, 16, 16)
        assert batch.labels.dtype == batch.indices.dtype == torch.int64
        labels = [manifest.splits["train"][index].class_index for index in batch.indices.tolist()]
        assert batch.labels.tolist() == labels


def test_epochs_and_seeds_differ(manifest: Manifest, reference: list[ImageBatch]) -> None:
    other_epoch = list(train_batches(manifest).epoch(4))
    other_seed = list(train_batches(manifest, seed=6).epoch(3))
    for other in (other_epoch, other_seed):
        assert not torch.equal(other[0].indices, reference[0].indices)
        pixels = {int(i): image for batch in other for i, image in zip(batch.indices, batch.images, strict=True)}
        first = int(reference[0].indices[0])
        assert not torch.equal(pixels[first], reference[0].images[0])  # cropped differently, too


@pytest.mark.process
@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": 1, "prefetch_factor": 4},
        {"num_workers": 2, "prefetch_factor": 1, "persistent_workers": False},
        {"num_workers": 2},
    ],
)
def test_any_number_of_processes_gives_the_same_bits(
    manifest: Manifest, reference: list[ImageBatch], options: dict[str, Any]
) -> None:
    batches = train_batches(manifest, **options)
    next(batches.epoch(0))  # an epoch that is given up leaves nothing behind
    assert_equal(list(batches.epoch(3)), reference)
    assert_equal(list(batches.epoch(3, start_batch=2)), reference[2:])
    batches.close()


@pytest.mark.parametrize("start", [1, 5, 6])
def test_epoch_from_a_later_batch_is_the_rest_of_the_epoch(
    manifest: Manifest, reference: list[ImageBatch], start: int
) -> None:
    assert_equal(list(train_batches(manifest).epoch(3, start_batch=start)), reference[start:])


@pytest.mark.parametrize(
    ("batch_size", "sizes"),
    [(4, (4, 4, 4, 4, 4, 2)), (7, (7, 7, 7)), (11, (11, 11)), (21, (21,)), (22, (22,)), (100, (22,)), (1, (1,) * 22)],
)
def test_last_batch_of_one_image_is_dropped(manifest: Manifest, batch_size: int, sizes: tuple[int, ...]) -> None:
    batches = train_batches(manifest, batch_size=batch_size)
    assert batches.batch_sizes == sizes
    assert tuple(len(batch.labels) for batch in batches.epoch(0)) == sizes


def test_only_image_is_not_dropped(manifest: Manifest) -> None:
    batches = TrainBatches(manifest.splits["train"][:1], manifest.root, AUGMENT, batch_size=8, seed=0)
    assert [len(batch.labels) for batch in batches.epoch(0)] == [1]


def test_callers_random_numbers_are_left_alone(manifest: Manifest) -> None:
    def draw() -> tuple[float, float]:
        return random.random(), float(torch.rand(()))

    random.seed(1)
    torch.default_generator.manual_seed(1)
    expected = [draw() for _ in range(4)]
    random.seed(1)
    torch.default_generator.manual_seed(1)
    drawn = [draw(), *(draw() for _ in train_batches(manifest, batch_size=10).epoch(0))]
    assert drawn == expected


@pytest.mark.process
def test_evaluation_gives_all_samples_in_order_as_often_as_asked(manifest: Manifest) -> None:
    passes = []
    for num_workers in (0, 2):
        batches = EvalBatches(
            manifest.splits["val"], manifest.root, PREPROCESSING.eval_transform, batch_size=4, num_workers=num_workers
        )
        assert len(batches.batch_sizes) == 2
        passes += [list(batches), list(batches)]
        batches.close()
    assert torch.cat([batch.indices for batch in passes[0]]).tolist() == list(range(6))
    for other in passes[1:]:
        assert_equal(other, passes[0])


@pytest.mark.process
@pytest.mark.parametrize("num_workers", [0, 1])
def test_corrupt_image_arrives_as_corrupt_image(manifest: Manifest, tmp_path: Path, num_workers: int) -> None:
    samples = manifest.splits["val"]
    for sample in samples:
        (tmp_path / sample.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / sample.path).write_bytes((manifest.root / sample.path).read_bytes())
    (tmp_path / samples[5].path).write_bytes(b"")
    val = EvalBatches(samples, tmp_path, PREPROCESSING.eval_transform, batch_size=2, num_workers=num_workers)
    batches = iter(val)
    assert [next(batches).indices.tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(CorruptImage, match="the file is empty") as caught:
        next(batches)
    assert caught.value.path == str(tmp_path / samples[5].path)
    (tmp_path / samples[5].path).unlink()
    with pytest.raises(DatasetError, match="changed while it was in use"):
        list(val)
    val.close()


@pytest.mark.process
def test_loader_that_is_closed_while_an_error_holds_its_pass_waits_for_nobody(
    manifest: Manifest, tmp_path: Path
) -> None:
    batches = train_batches(manifest, num_workers=2, transform=FailOnce(tmp_path))
    epoch = batches.epoch(0)
    with pytest.raises(CorruptImage) as caught:
        list(epoch)
    workers = [psutil.Process(int(path.name)) for path in tmp_path.iterdir()]
    assert len(workers) == 2
    started = time.monotonic()
    batches.close()
    assert time.monotonic() - started < 4, "torch waits 5 s for a process that does not hear"
    assert psutil.wait_procs(workers, timeout=4)[1] == []
    assert caught.value.reason == "made up"


@dataclass(frozen=True)
class FailOnce:
    """A transform that writes down its process, and fails in the second one."""

    folder: Path

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        (self.folder / str(os.getpid())).touch()
        if len(list(self.folder.iterdir())) > 1:
            raise CorruptImage("a.png", "made up")
        return PREPROCESSING.eval_transform(image)


@dataclass(frozen=True)
class WorkerFacts:
    """A transform that writes down the process it runs in."""

    folder: Path

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        ignores = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        modules = sorted({"transformers", "matplotlib", "sklearn"} & sys.modules.keys())
        note = self.folder / str(os.getpid())
        if not note.exists():
            note.write_text(f"{torch.get_num_threads()} {ignores} {modules}")
        return PREPROCESSING.eval_transform(image)


@dataclass(frozen=True)
class KillOne:
    """A transform that ends its process by a signal."""

    number: int

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        os.kill(os.getpid(), self.number)
        return image


@pytest.mark.process
def test_loader_process_has_one_thread_ignores_ctrl_c_and_imports_little(manifest: Manifest, tmp_path: Path) -> None:
    batches = train_batches(manifest, num_workers=1, transform=WorkerFacts(tmp_path))
    next(batches.epoch(0))
    (facts,) = tmp_path.iterdir()
    assert facts.name != str(os.getpid())
    assert facts.read_text() == "1 True []"
    batches.close()


@pytest.mark.process
def test_killed_loader_process_is_named_with_its_signal(manifest: Manifest) -> None:
    batches = train_batches(manifest, num_workers=1, transform=KillOne(signal.SIGKILL))
    with pytest.raises(DataLoaderWorkerDied, match=r"killed by SIGKILL.*num_workers=0"):
        next(batches.epoch(0))
    batches.close()


class InterruptedStart:
    """A transform in whose process Ctrl-C, or a stop of all, arrives while it is only just being set up."""

    def __init__(self, number: int) -> None:
        self.number, self.size = number, 16

    def __setstate__(self, state: dict[str, Any]) -> None:
        os.kill(os.getpid(), state["number"])
        self.__dict__.update(state)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return torch.zeros(3, self.size, self.size, dtype=torch.uint8)


@pytest.mark.process
def test_loader_process_ends_by_sigterm_of_its_parent_alone(manifest: Manifest, tmp_path: Path) -> None:
    batches = train_batches(manifest, num_workers=1, transform=WorkerFacts(tmp_path))
    epoch = batches.epoch(0)
    next(epoch)
    (facts,) = tmp_path.iterdir()
    subprocess.run(["kill", "-TERM", facts.name], check=True)  # as one of a group that is stopped
    assert len(list(epoch)) == len(batches.batch_sizes) - 1
    worker = psutil.Process(int(facts.name))
    worker.terminate()  # as torch does when it closes a loader and a process does not end
    worker.wait(10)
    batches.close()


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_of_all_while_loader_processes_start_leaves_them_alone(manifest: Manifest, number: int) -> None:
    batches = train_batches(manifest, num_workers=1, transform=InterruptedStart(number))
    assert len(list(batches.epoch(0))) == 6
    batches.close()


def die_later() -> None:
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


class BrokenConnection:
    """Batches whose connection to a loader process breaks before its death is known."""

    def __init__(self) -> None:
        process = multiprocessing.get_context("forkserver").Process(target=die_later)
        process.start()
        self._workers = [process]

    def __iter__(self) -> BrokenConnection:
        return self

    def __next__(self) -> ImageBatch:
        raise ConnectionResetError


@pytest.mark.process
def test_death_that_shows_after_the_connection_broke_is_waited_for() -> None:
    with pytest.raises(DataLoaderWorkerDied, match="killed by SIGKILL"):
        loader._next(BrokenConnection())


def load_and_wait(manifest: Manifest, folder: Path, ready: Connection) -> None:
    """A training process: holds two loader processes, one of them idle, and never ends by itself."""
    batches = train_batches(manifest, num_workers=2, transform=WorkerFacts(folder))
    epoch = batches.epoch(0)
    for _ in range(2):
        next(epoch)
    ready.send("loading")
    signal.pause()


@pytest.mark.slow  # the killed process starts a fork server of its own
@pytest.mark.process
def test_loader_processes_die_with_a_killed_parent(manifest: Manifest, tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    training = context.Process(target=load_and_wait, args=(manifest, tmp_path, theirs))
    training.start()
    assert ours.poll(120)
    workers = [psutil.Process(int(path.name)) for path in tmp_path.iterdir()]
    assert len(workers) == 2
    training.kill()
    training.join()
    _, orphans = psutil.wait_procs(workers, timeout=10)
    assert orphans == []
