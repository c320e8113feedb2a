"""One label per image: data from a folder per class, any Hugging Face image classifier, a loss per sample."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PreTrainedModel

from utp.config.paths import dataset_root
from utp.config.train import TrainConfig
from utp.core.augmentations.entries import AUGMENTATIONS, GPU_AUGMENTATIONS
from utp.core.augmentations.mixing import Mixer
from utp.core.augmentations.random_erasing import RandomErasing
from utp.core.compilation import prepare_compiler
from utp.core.data.corrupt import DEFAULT_MAX_SHARE, CorruptFile, CorruptFiles
from utp.core.data.dataset import ImageBatch, Transform
from utp.core.data.decoded_cache import DEFAULT_EDGE, DecodedCache, open_cache
from utp.core.data.device_batches import on_device
from utp.core.data.loader import LoaderOptions
from utp.core.data.loading import EvalBatches, TrainBatches
from utp.core.data.manifest import Manifest, Sample, cap_samples, scan_dataset
from utp.core.data.preprocessing import Preprocessing, load_preprocessing
from utp.core.data.views import view_transform
from utp.core.data.worker_server import start_worker_server
from utp.core.device import Compute, resolve_device
from utp.core.distributed import from_first_rank
from utp.core.losses.class_weights import WeightedLoss, weigh_classes
from utp.core.losses.entries import LOSSES
from utp.core.metrics.calibration import calibration
from utp.core.metrics.classification import compute_metrics
from utp.core.metrics.collector import ScoreCollector
from utp.core.metrics.curves import roc_micro
from utp.core.metrics.entries import check_monitor_metric
from utp.core.metrics.gathering import gather_scores
from utp.core.metrics.scores import ClassificationScores
from utp.core.models.architecture import load_architecture
from utp.core.models.build import build_classifier
from utp.core.models.export import export_pretrained
from utp.core.models.head import set_training_mode
from utp.core.models.options import prepare_model
from utp.core.models.source import resolve_source
from utp.core.task import Evaluation, SampleLoss, StepSums, StopPoll, StopRequested
from utp.core.tasks.classification_report import model_card, report_figures, report_tables, short_name
from utp.errors import ConfigError
from utp.settings import Settings

if TYPE_CHECKING:
    import pyarrow

OnScan = Callable[[int, int], None]

log = logging.getLogger(__name__)

_CACHED = ("train", "val")
"""Splits with a decoded cache; test is seen once."""


class ImageClassification:
    """The task of a `TrainConfig`; `build` checks and gathers all that it is made of."""

    sum_names = ("loss", "acc@1")

    def __init__(
        self,
        config: TrainConfig,
        *,
        manifest: Manifest,
        splits: Mapping[str, tuple[Sample, ...]],
        preprocessing: Preprocessing,
        model: nn.Module,
        caches: Mapping[str, DecodedCache] | None = None,
        mount: Path | None = None,
    ) -> None:
        self.config = config
        self._mount = mount
        self.manifest = manifest
        self.splits = splits
        self.preprocessing = preprocessing
        self._model = model
        self._caches = caches or {}
        loss = LOSSES.get(config.loss)
        loss_options = loss.check_options(config.loss_options, "loss_options")
        self._train_loss = self._weighted(loss.load()(loss_options, is_training=True))
        self._eval_loss = loss.load()(loss_options, is_training=False)
        augmentation = GPU_AUGMENTATIONS.get(config.gpu_augmentation)
        options = augmentation.check_options(config.gpu_augmentation_options, "gpu_augmentation_options")
        self._augment_batch = augmentation.load()(options, config.seed)
        self._mixer = Mixer.from_config(config)
        sizes = {name: len(samples) for name, samples in splits.items()}
        self._corrupt = CorruptFiles(manifest.root, sizes, config.max_corrupt_share or DEFAULT_MAX_SHARE)
        self._train = self._open_train()
        self._eval: dict[str, EvalBatches] = {}

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Images in each micro-batch of an epoch."""
        return self._train.batch_sizes

    @property
    def has_test(self) -> bool:
        """Whether there is a test split."""
        return "test" in self.splits

    @property
    def identity(self) -> Mapping[str, Any]:
        """Class names in index order, and the fingerprint of the data."""
        return {"classes": list(self.manifest.classes), "data_fingerprint": self.manifest.fingerprint}

    def build_model(self) -> nn.Module:
        """Return the model that `build` made."""
        return self._model

    def set_training_mode(self, model: nn.Module) -> None:
        """Train mode, save for what is frozen."""
        set_training_mode(model)

    def train_batches(self, epoch: int, start_batch: int, compute: Compute) -> Iterator[ImageBatch]:
        """Yield an epoch's batches of augmented uint8 images, on the device."""
        return on_device(self._train.epoch(epoch, start_batch), compute.device)

    def step(self, model: nn.Module, batch: ImageBatch, compute: Compute) -> StepSums:
        """Run forward and loss on one micro-batch; of a mixed picture, `acc@1` asks for the label it shows most of."""
        images, labels = self._to_device(batch, compute)
        if self._augment_batch:
            images = self._augment_batch(images / 255, batch.epoch, batch.batch).mul_(255)
        images = self.preprocessing.normalise(images)
        targets = labels
        if self._mixer and (mix := self._mixer.draw(batch.epoch, batch.batch, *images.shape[-2:])):
            # After normalisation: it commutes with mixing, and its fresh float32 tensor can be mixed in place.
            images, targets = mix.mix_images(images), mix.mix_labels(labels, len(self.manifest.classes))
            labels = mix.dominant_labels(labels)
        logits = model(pixel_values=images).logits
        correct = (logits.detach().argmax(dim=1) == labels).sum()
        sums = {"loss": self._train_loss(logits, targets).sum(), "acc@1": correct}
        return StepSums(len(labels), sums).without_samples() if batch.is_stand_in else StepSums(len(labels), sums)

    def evaluate(
        self, model: nn.Module, split: str, compute: Compute, should_stop: StopPoll, views: str | None = None
    ) -> Evaluation:
        """Compute every metric over the whole split; without `views`, the config's on test. Raises `StopRequested`."""
        views = views or (self.config.test_time_augmentation if split == "test" else "none")
        facts = {} if views == "none" else {"test_time_augmentation": views}
        collector = ScoreCollector(len(self.manifest.classes))
        for batch in on_device(self._eval_batches(split, views).in_rounds(), compute.device):
            if should_stop():
                raise StopRequested
            if batch is None:
                continue
            with compute.autocast():
                logits, labels = self._forward_views(model, batch, compute)
                losses = self._eval_loss(logits, labels)
            collector.add(logits.float().cpu(), batch.labels, losses.cpu(), batch.indices)
        self._corrupt.tell_all_ranks()
        scores = gather_scores(collector)
        if scores is None:
            return Evaluation(values=from_first_rank({}), facts=facts)
        roc, bins, classes = roc_micro(scores), calibration(scores), self.manifest.classes
        return Evaluation(
            values=from_first_rank(compute_metrics(scores, self.config.eval_topk, prefix=f"{split}_")),
            facts=facts,
            tables=report_tables(scores, roc, bins, classes),
            figures=report_figures(scores, roc, bins, classes, title=f"{short_name(self.config)} on {split}"),
            predictions=lambda: self._prediction_table(scores, split, facts),
        )

    def watch_corrupt_files(self, listener: Callable[[CorruptFile], None]) -> None:
        """Tell `listener` once of each image that can't be decoded and is left out."""
        self._corrupt.listener = listener

    def export(self, model: nn.Module, directory: Path, facts: Mapping[str, Any]) -> None:
        """Write a folder that `from_pretrained` and `pipeline` load, with a model card that states `facts`."""
        assert isinstance(model, PreTrainedModel), "build_model gave one"
        card = model_card(self.config, self.manifest, facts)
        export_pretrained(model, self.preprocessing.save_processor, directory, card=card)

    def close(self) -> None:
        """End the data loader processes."""
        self._train.close()
        for batches in self._eval.values():
            batches.close()

    def _to_device(self, batch: ImageBatch, compute: Compute) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images, still bytes but laid out as the model wants them, and labels."""
        images = batch.images.to(compute.device, non_blocking=True, memory_format=compute.memory_format)
        labels = batch.labels.to(compute.device, non_blocking=True)
        return images, labels

    def _forward(self, model: nn.Module, batch: ImageBatch, compute: Compute) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = self._to_device(batch, compute)
        return model(pixel_values=self.preprocessing.normalise(images)).logits, labels

    def _forward_views(
        self, model: nn.Module, batch: ImageBatch, compute: Compute
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean logits over the views of each image; one view at a time, so memory stays that of one."""
        if batch.images.ndim == 4:
            return self._forward(model, batch, compute)
        views = [self._forward(model, batch._replace(images=view), compute) for view in batch.images.unbind(1)]
        return torch.stack([logits.float() for logits, _ in views]).mean(dim=0), views[0][1]

    def _prediction_table(self, scores: ClassificationScores, split: str, facts: Mapping[str, Any]) -> pyarrow.Table:
        from utp.core.prediction_table import prediction_table  # noqa: PLC0415  (here: Parquet takes long to import)

        return prediction_table(scores, self.splits[split], split, {**self.identity, **facts})

    def _weighted(self, loss: SampleLoss) -> SampleLoss:
        if self.config.class_weights is None:
            return loss
        labels = (sample.class_index for sample in self.splits["train"])
        return WeightedLoss(loss, weigh_classes(self.config.class_weights, self.manifest.classes, labels))

    def _open_train(self) -> TrainBatches:
        config = self.config
        augmentation = AUGMENTATIONS.get(config.augmentation)
        options = augmentation.check_options(config.augmentation_options, "augmentation_options")
        return TrainBatches(
            self.splits["train"],
            self.manifest.root,
            _erasing(config, self.preprocessing, augmentation.load()(self.preprocessing, options)),
            batch_size=config.batch_size,
            seed=config.seed,
            is_balanced=config.sampler == "balanced",
            **self._loader_options("train"),
        )

    def _loader_options(self, split: str) -> LoaderOptions:
        return {
            "num_workers": self.config.num_workers,
            "prefetch_factor": self.config.prefetch_factor,
            "persistent_workers": self.config.persistent_workers,
            "pin_memory": self.config.device != "cpu",
            "on_corrupt": partial(self._corrupt.add, split) if self.config.on_corrupt == "skip" else None,
            "cache": self._caches.get(split),
            "mount": self._mount,
        }

    def _eval_batches(self, split: str, views: str) -> EvalBatches:
        key = f"{split} {views}"
        if key not in self._eval:
            self._eval[key] = EvalBatches(
                self.splits[split],
                self.manifest.root,
                view_transform(views, self.preprocessing),
                batch_size=self.config.eval_batch_size or self.config.batch_size,
                **self._loader_options(split),
            )
        return self._eval[key]


def build(
    config: TrainConfig, settings: Settings, on_scan: OnScan | None = None, *, evaluates: str | None = None
) -> ImageClassification:
    """Scan the data, build the model, and check that the config fits both; writes nothing but caches.

    Args:
        config: of the run.
        settings: mounts and caches.
        on_scan: told (done, total) image files, while they are scanned and while they are decoded into a cache.
        evaluates: the only split that will be read; none means training, which reads them all.

    Raises:
        PathRefused, DatasetError, ModelError, ConfigError: what is wrong, where, and the way out.
    """
    if config.num_workers:
        start_worker_server()  # early: it gets ready while the model is built
    if config.compile and evaluates is None:
        prepare_compiler(settings.cache_dir / "compiled", resolve_device(config))
    source = resolve_source(config.model_flavour, config.model_revision, settings)
    load_architecture(source)  # first: of a model that can't be had, it says so better than the processor does
    preprocessing = load_preprocessing(source.location, revision=source.revision, image_size=config.image_size)
    _check_cache_edge(config, preprocessing)
    root = dataset_root(config.root, settings)
    cache_dir = settings.cache_dir / "manifests"
    manifest = scan_dataset(
        root, mount=settings.datasets_dir, label_map=config.label_map, cache_dir=cache_dir, on_progress=on_scan
    )
    for warning in manifest.warnings:
        log.warning("dataset %s: %s", root, warning)
    if config.test_time_augmentation != "none" and "test" not in manifest.splits:
        log.warning("test_time_augmentation %r has no effect: there is no test split", config.test_time_augmentation)
    check_monitor_metric(config.monitor_metric, config.eval_topk, len(manifest.classes))
    model = build_classifier(
        source,
        manifest.classes,
        load_pretrained=config.load_pretrained,
        freeze_backbone=config.freeze_backbone,
        seed=config.seed,
        image_size=preprocessing.size,
        drop_path_rate=config.drop_path_rate,
        gradient_checkpointing=config.gradient_checkpointing,
    )
    if evaluates is None:  # one pass is over before a compiler is, and has no other workers to agree with
        model = prepare_model(config, model)
    splits = {name: _capped(config, manifest, name) for name in manifest.splits}
    cached = {name: splits[name] for name in _CACHED if evaluates in (None, name)}
    caches = _open_caches(config, manifest, cached, settings, on_scan)
    return ImageClassification(
        config,
        manifest=manifest,
        splits=splits,
        preprocessing=preprocessing,
        model=model,
        caches=caches,
        mount=settings.datasets_dir,
    )


def _open_caches(
    config: TrainConfig,
    manifest: Manifest,
    splits: Mapping[str, tuple[Sample, ...]],
    settings: Settings,
    on_scan: OnScan | None,
) -> dict[str, DecodedCache]:
    """Return the caches of the splits, made where they are not there."""
    open_one = partial(
        open_cache,
        root=manifest.root,
        edge=config.cache_edge or DEFAULT_EDGE,
        directory=settings.cache_dir / "decoded",
        mount=settings.datasets_dir,
        on_progress=on_scan,
    )
    return {split: open_one(samples) for split, samples in splits.items() if config.decoded_cache}


def _check_cache_edge(config: TrainConfig, preprocessing: Preprocessing) -> None:
    edge, wanted = config.cache_edge or DEFAULT_EDGE, max(preprocessing.size)
    if config.decoded_cache and edge < wanted:
        raise ConfigError((f"cache_edge: {edge} is less than the {wanted} pixels that the model sees; raise it",))


def _erasing(config: TrainConfig, preprocessing: Preprocessing, transform: Transform) -> Transform:
    if not config.random_erasing:
        return transform
    return RandomErasing(transform, preprocessing, config.random_erasing, config.random_erasing_fill or "noise")


def _capped(config: TrainConfig, manifest: Manifest, split: str) -> tuple[Sample, ...]:
    samples = manifest.splits[split]
    if split == "test" or config.max_datapoints_per_class is None:
        return samples
    return cap_samples(samples, manifest.classes, config.max_datapoints_per_class, config.data_seed)
