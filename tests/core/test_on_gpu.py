"""What only a GPU shows; README lists these tests as what is unverified without one. `make test-gpu` runs them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.noise_images import CONFIG, run_images, train_images, write_noise
from tests.support.pixel_task import PixelTask
from tests.support.recording_reporter import RecordingReporter, without_timings
from tests.support.worker_group import WorkerGroup
from torch import Tensor

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.augmentations.entries import GeometricOptions
from utp.core.augmentations.geometric import build as build_geometric
from utp.core.checkpoint import CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.data.dataset import ImageBatch
from utp.core.data.device_batches import copy_stream, on_device
from utp.core.device import resolve_compute
from utp.core.loop import fit
from utp.core.memory_format import lay_out
from utp.core.optimizer_step import OptimizerStep
from utp.core.optimizers.build import build_optimizer
from utp.core.schedules.schedule import build_schedule
from utp.core.state import Meters, TrainState
from utp.core.tasks.image_classification import build
from utp.core.timed_batches import TimedBatches
from utp.errors import LossNotFinite
from utp.settings import Settings

pytestmark = pytest.mark.gpu

ON_GPU = replace(CONFIG, device="cuda")
PIXELS = TrainConfig(
    root="-", model_flavour="-", epochs=1, lr=0.01, autocast_dtype="float32", device="cuda", log_interval_steps=3
)

BUSY_CYCLES = 2_000_000_000
"""For which a kernel that only waits keeps a stream busy: about a second."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("on-gpu")
    write_noise(folder / "data", {"a": 12, "b": 6}, {"a": 3, "b": 3})
    return folder


@contextmanager
def no_waiting() -> Iterator[None]:
    """Raise where the host waits for the device."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that it may miss a case
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def train_losses(reporter: RecordingReporter) -> list[float]:
    return [row["train_loss"] for row in reporter.rows if row["kind"] == "train"]


def test_float32_training_follows_that_on_the_cpu(folder: Path) -> None:
    on_cpu, _ = train_images(folder, replace(CONFIG, lr=1e-4, epochs=1), "cpu")
    on_gpu, _ = train_images(folder, replace(ON_GPU, lr=1e-4, epochs=1), "gpu")
    assert train_losses(on_gpu) == pytest.approx(train_losses(on_cpu), rel=0.02)  # TF32 in convolutions


def test_bfloat16_training_follows_that_in_float32(folder: Path) -> None:
    wide, _ = train_images(folder, replace(ON_GPU, lr=1e-4, epochs=1), "float32")
    narrow, _ = train_images(folder, replace(ON_GPU, lr=1e-4, epochs=1, autocast_dtype="bfloat16"), "bfloat16")
    assert narrow.plan is not None
    assert narrow.plan.compute["autocast_dtype"] == "bfloat16"
    assert train_losses(narrow) != train_losses(wide)
    assert train_losses(narrow) == pytest.approx(train_losses(wide), rel=0.05)


def test_compiled_training_follows_the_plain_one(folder: Path) -> None:
    plain, _ = train_images(folder, replace(ON_GPU, lr=1e-4, epochs=1), "plain")
    compiled, _ = train_images(folder, replace(ON_GPU, lr=1e-4, epochs=1, compile=True), "compiled")
    assert train_losses(compiled) == pytest.approx(train_losses(plain), rel=0.02)


@pytest.mark.parametrize("extra", [{}, {"ema_decay": 0.9, "gpu_augmentation": "geometric", "mixup_alpha": 0.5}])
def test_deterministic_run_resumes_bit_for_bit(folder: Path, extra: dict[str, Any], request: Any) -> None:
    config, run = replace(ON_GPU, deterministic=True, num_workers=2, **extra), request.node.name
    undisturbed, weights = train_images(folder, config, f"{run}-a")
    before, _ = train_images(folder, config, f"{run}-b", stop_after_step=2)
    after, others = train_images(folder, config, f"{run}-b")
    torch.use_deterministic_algorithms(False)
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert without_timings(before.rows + after.rows) == without_timings(undisturbed.rows)


def test_pinned_batches_arrive_on_the_gpu_in_order_and_unchanged(folder: Path) -> None:
    settings = Settings(DATASETS_DIR=folder, SHARED_LOGS_DIR=folder, UTP_CACHE_DIR=folder / "cache")
    held, moved = (build(replace(config, num_workers=2), settings) for config in (CONFIG, ON_GPU))
    try:
        assert next(moved._train.epoch(1)).images.is_pinned()
        batches, arrived = (list(task.train_batches(1, 0, resolve_compute(task.config)[0])) for task in (held, moved))
    finally:
        held.close()
        moved.close()
    assert len(arrived) == len(batches)
    for batch, other in zip(batches, arrived, strict=True):
        assert other.images.is_cuda
        assert other.labels.is_cuda
        assert torch.equal(other.images.cpu(), batch.images)
        assert torch.equal(other.labels.cpu(), batch.labels)
        assert torch.equal(other.indices, batch.indices)


def pinned_batches(count: int) -> Iterator[ImageBatch]:
    """Yield batches of 12 MB, each full of its number; nobody else holds them."""
    for number in range(count):
        images = torch.full((64, 3, 256, 256), number, dtype=torch.uint8).pin_memory()
        yield ImageBatch(images, torch.full((64,), number).pin_memory(), torch.arange(64), batch=number)


def test_batches_are_whole_while_the_stream_that_trains_lags_behind() -> None:
    pixels, labels = [], []
    for batch in on_device(pinned_batches(8), torch.device("cuda")):
        torch.cuda._sleep(BUSY_CYCLES // 10)  # what follows reads when later copies are long done
        pixels.append(batch.images.clone())
        labels.append(batch.labels.clone())
    for number in range(8):
        assert (pixels[number] == number).all()
        assert (labels[number] == number).all()


def test_source_of_a_copy_that_has_to_wait_is_not_overwritten() -> None:
    device, whole = torch.device("cuda"), []
    for batch in on_device(pinned_batches(8), device):
        whole.append((batch.images == batch.batch).all())
        with torch.cuda.stream(copy_stream(device)):
            torch.cuda._sleep(BUSY_CYCLES // 10)  # the copies that follow begin when their sources are let go of
    assert torch.stack(whole).tolist() == [True] * 8


def test_copy_does_not_wait_for_the_kernel_that_runs_nor_the_host_for_either() -> None:
    device = torch.device("cuda")
    sources = list(pinned_batches(3))
    for _ in on_device(iter(sources), device):  # memory is taken from the device once, and that may wait
        pass
    torch.cuda.synchronize()
    batches = on_device(iter(sources), device)
    trained, copied = torch.cuda.Event(), torch.cuda.Event()
    with no_waiting():
        next(batches)  # the copy of the second has begun
        torch.cuda._sleep(BUSY_CYCLES)
        trained.record()
        second = next(batches)  # and that of the third
        copied.record(copy_stream(device))
    copied.synchronize()
    assert not trained.query()
    assert (second.images == 1).all()
    assert (next(batches).images == 2).all()


@pytest.mark.parametrize("views", ["none", "five_crop"])
def test_evaluation_on_the_gpu_is_that_on_the_cpu(folder: Path, views: str) -> None:
    on_cpu, on_gpu = (val_loss(folder, config, views) for config in (CONFIG, ON_GPU))
    assert on_gpu == pytest.approx(on_cpu, rel=0.02)


def val_loss(folder: Path, config: TrainConfig, views: str) -> float | None:
    settings = Settings(DATASETS_DIR=folder, SHARED_LOGS_DIR=folder, UTP_CACHE_DIR=folder / "cache")
    task, (compute, _) = build(config, settings), resolve_compute(config)
    try:
        model, compute = lay_out(config, compute, task.build_model(), None)
        with torch.no_grad():
            return task.evaluate(model.eval(), "val", compute, lambda: False, views).values["val_loss"]
    finally:
        task.close()


def test_geometric_warp_on_the_gpu_is_that_on_the_cpu() -> None:
    images = torch.rand(5, 3, 20, 32, generator=torch.Generator().manual_seed(0))
    augment = build_geometric(GeometricOptions(perspective=0.3), 0)
    torch.testing.assert_close(augment(images.cuda(), 1, 2).cpu(), augment(images, 1, 2), rtol=0, atol=1e-3)


@dataclass
class GpuTask(PixelTask):
    """Its data lies on the GPU, so that whatever waits for the device is the loop's own."""

    @property
    def data(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        pixels, labels = super().data
        return pixels.cuda(), labels.cuda()


def poison(epoch: int, batch: int, pixels: Tensor) -> Tensor:
    return pixels * math.nan if batch == 2 else pixels


def train_pixels(folder: Path, config: TrainConfig, task: PixelTask) -> RecordingReporter:
    paths = RunPaths(folder / "runs", folder / "checkpoints")
    paths.checkpoint_dir.mkdir(parents=True)
    reporter, store = RecordingReporter(), CheckpointStore(paths.checkpoint_dir, attempt=1)
    fit(config, task, reporter, Checkpointer(config, task.identity, paths, store, reporter.log_note))
    return reporter


def test_loss_that_is_not_finite_ends_the_run_and_names_its_step(tmp_path: Path) -> None:
    with pytest.raises(LossNotFinite) as caught:
        train_pixels(tmp_path, PIXELS, GpuTask(poison=poison))
    assert caught.value.step == 3


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_step_that_is_not_finite_is_skipped_on_the_device(tmp_path: Path, optimizer: str) -> None:
    config = replace(PIXELS, nan_policy="skip", ema_decay=0.9, optimizer=optimizer)
    reporter = train_pixels(tmp_path, config, GpuTask(poison=poison))
    assert reporter.notes[-1].startswith("loss or gradient not finite: step 3 was skipped")
    (epoch,) = [row for row in reporter.rows if row["kind"] == "epoch"]
    assert epoch["train_skipped_steps"] == 1
    assert math.isfinite(epoch["val_loss"])


@pytest.mark.parametrize("nan_policy", ["stop", "skip"])
def test_step_does_not_wait_for_the_device(nan_policy: str) -> None:
    config, task = replace(PIXELS, nan_policy=nan_policy), GpuTask()  # type: ignore[arg-type]
    compute, _ = resolve_compute(config)
    model = task.build_model().to(compute.device)
    state = TrainState(model, build_optimizer(config, model), Meters(task.sum_names, compute.device))
    schedule = build_schedule(config, total_steps=10)
    step = OptimizerStep(config, task, state, schedule=schedule, compute=compute, log_note=print)
    batches = TimedBatches(iter(list(task.train_batches(0, 0, compute))))
    step.take(batches, range(1))  # the first one makes state and loads kernels
    with no_waiting():
        for index in range(1, 4):
            step.take(batches, range(index, index + 1))


@pytest.fixture(scope="module")
def ranks() -> Iterator[WorkerGroup]:
    group = WorkerGroup(backend="nccl")
    yield group
    group.close()


def losses_of_a_rank(folder: Path, run: str) -> list[float]:
    config = replace(ON_GPU, batch_size=6, model_flavour="builtin/vit-micro", lr=1e-4, epochs=1)
    return train_losses(run_images(folder, config, run)[0])


@pytest.mark.gpu(2)
def test_two_gpus_train_what_one_does(folder: Path, ranks: WorkerGroup) -> None:
    alone = losses_of_a_rank(folder, "alone")
    first, second = ranks.run(losses_of_a_rank, folder, "together")
    assert first == pytest.approx(alone, rel=1e-3)
    assert second == first
