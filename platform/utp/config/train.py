"""`TrainConfig`: what a run trains, on what, and how. One flat frozen dataclass, checked once.

The docstring beneath a field is its help on the command line, in the API and in the form.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, Strict, StringConstraints, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(
    extra="forbid",
    strict=True,
    allow_inf_nan=False,
    use_attribute_docstrings=True,
    str_strip_whitespace=True,
)
"""A misspelt field, a string for a number, NaN and infinity are refused, in Python files too."""

PositiveInt = Annotated[int, Field(ge=1)]
Key = Annotated[str, StringConstraints(strip_whitespace=False)]
"""Name of a class or an option, kept to the letter: a class folder may begin or end with a space."""
Options = dict[Key, Any]

_MOST = {"num_workers": 1024, "prefetch_factor": 1024, "num_threads": 1024, "image_size": 8192, "cache_edge": 8192}
"""What takes down the machine it is started on when a digit too many is typed, and the most that anyone has use for."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainConfig:
    """One training run. Only `root` and `model_flavour` have no default."""

    # --- data -----------------------------------------------------------------------------------
    root: Annotated[str, Field(min_length=1)]
    """Dataset folder with `train/CLASS/*`, `val/CLASS/*`, perhaps `test/CLASS/*`; beneath `DATASETS_DIR` if set."""

    batch_size: PositiveInt = 32
    """Images per micro-step over all workers; the effective batch is this times `grad_accum_steps`."""

    eval_batch_size: PositiveInt | None = None
    """Images per step of evaluation, over all workers; none means `batch_size`."""

    num_workers: Annotated[int, Field(ge=0)] = 2
    """Data loader processes; 0 loads in the training process."""

    prefetch_factor: PositiveInt | None = None
    """Batches that each data loader process holds ready; none means 2. Needs `num_workers` above 0."""

    persistent_workers: bool | None = None
    """Keep data loader processes between epochs; none means yes where there are any. Needs `num_workers` above 0."""

    max_datapoints_per_class: (
        PositiveInt | Annotated[tuple[PositiveInt, ...], Strict(False)] | dict[Key, PositiveInt] | None
    ) = None
    """Most images of each class in train and val: one number, one per class in order, or by name; never of test."""

    data_seed: Annotated[int, Field(ge=0)] = 0
    """Decides which images a cap keeps, apart from `seed`, so that runs with other seeds see the same images."""

    label_map: dict[Key, Annotated[int, Field(ge=0)]] | None = None
    """Class name to index, kept with the model; none means the sorted class folders of train."""

    sampler: Literal["shuffle", "balanced"] = "shuffle"
    """Images of an epoch: each once, or as many drawn with replacement, every class equally likely."""

    on_corrupt: Literal["fail", "skip"] = "fail"
    """What an image that can't be decoded does: end the run, or be left out and listed in `corrupt.json`."""

    max_corrupt_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Largest share of a split's images that `on_corrupt` skips before the run ends; none means 0.01."""

    decoded_cache: bool = False
    """Keep the pictures of train and val decoded and scaled down below `UTP_CACHE_DIR`: epochs read no JPEG any more,
    and pixels differ slightly from decoding anew. Takes about 3 * `cache_edge` * width bytes a picture."""

    cache_edge: Annotated[int, Field(ge=8)] | None = None
    """Length in pixels that the shorter edge of a picture in the cache is scaled down to, not below what the model
    sees; none means 256. Needs `decoded_cache`."""

    image_size: Annotated[int, Field(ge=8)] | None = None
    """Side of the square that the model sees, in pixels; none means the size of the model's own image processor."""

    augmentation: str = "standard"
    """Random change of training images, by name; `none` for none."""

    augmentation_options: Options = Field(default_factory=dict)
    """Options of the augmentation."""

    gpu_augmentation: str = "none"
    """Random change of whole training batches on the device that trains, by name; after `augmentation`."""

    gpu_augmentation_options: Options = Field(default_factory=dict)
    """Options of the batch augmentation."""

    random_erasing: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability that a rectangle of a training image is painted over; 0 erases nothing."""

    random_erasing_fill: Literal["noise", "mean"] | None = None
    """Paint of `random_erasing`: noise per pixel, or the model's mean colour; none means noise."""

    # --- model ----------------------------------------------------------------------------------
    model_flavour: Annotated[str, Field(min_length=1)]
    """Hub id, local model directory, or `builtin/NAME` (architecture without weights; works offline)."""

    model_revision: str | None = None
    """Commit, tag or branch of a Hub model; pin a commit to train the same weights next year."""

    load_pretrained: bool = True
    """Start from the model's weights; false draws new ones for the same architecture."""

    freeze_backbone: bool = False
    """Train the head alone; the backbone's weights and batch-norm statistics stay as loaded."""

    drop_path_rate: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of samples that skip the last block (earlier ones less); none keeps the model's own. Some families only."""

    gradient_checkpointing: bool = False
    """Compute activations again in backward: less memory, about a third more time. Not in all families."""

    channels_last: bool | None = None
    """Lay images and kernels out with channels last: faster convolutions, other roundings. None means yes for models
    with convolutions beyond a patch embedding, and no for plain transformers; a resumed run keeps what it had."""

    compile: bool = False
    """Compile the model with `torch.compile`: a slow start, once per batch size, and faster steps after it; roundings
    differ. Needs a C++ compiler. What was compiled is kept below `UTP_CACHE_DIR` and found by later runs."""

    sync_batchnorm: bool = False
    """Take batch-norm statistics over all workers; needs several GPUs."""

    # --- task, loss, optimisation ---------------------------------------------------------------
    task: str = "image_classification"
    """What is learnt, by name."""

    loss: str = "cross_entropy"
    """Training loss, by name."""

    loss_options: Options = Field(default_factory=dict)
    """Options of the loss."""

    class_weights: Literal["balanced"] | dict[Key, Annotated[float, Field(gt=0)]] | None = None
    """What a sample counts in the training loss, by class name (1 if not named); `balanced` evens out class sizes.

    Scaled to mean 1 over the training images; the loss is sum(weight * loss) / number of images. `val_loss` has none.
    """

    optimizer: str = "adamw"
    """Optimizer, by name."""

    optimizer_options: Options = Field(default_factory=dict)
    """Options of the optimizer beyond `lr` and `weight_decay`."""

    lr: Annotated[float, Field(gt=0)] = 3e-4
    """Peak learning rate, reached after warm-up."""

    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    """Weight decay; not applied to biases, norms and other vectors."""

    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Learning rate of each block as a share of that of the block above it, from the head down; none means all alike.

    0.65 to 0.75 is usual in fine-tuning. Needs a backbone that trains.
    """

    max_grad_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """Clip the gradient to this L2 norm; none clips nothing."""

    schedule: str = "cosine"
    """Learning rate over the run, by name."""

    schedule_options: Options = Field(default_factory=dict)
    """Options of the schedule."""

    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of all optimizer steps in which the learning rate rises linearly from 0 (`one_cycle`: along a cosine)."""

    nan_policy: Literal["stop", "skip"] = "stop"
    """What a step does whose loss or gradient is not finite: fail the run, or leave everything as it was."""

    max_skipped_steps: PositiveInt | None = None
    """Steps in a row that may be skipped before the run fails; none means 10. Needs `nan_policy` skip."""

    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Evaluate and keep a running average of the weights with this decay (0.9998, say); none keeps the weights."""

    grad_accum_steps: PositiveInt = 1
    """Micro-steps whose gradients make one optimizer step."""

    epochs: PositiveInt = 10
    """Passes over the training images."""

    mixup_alpha: Annotated[float, Field(ge=0)] = 0.0
    """Blend pairs of training images and their labels, in shares drawn from Beta(alpha, alpha); 0 blends nothing."""

    cutmix_alpha: Annotated[float, Field(ge=0)] = 0.0
    """Paste a box of one training image into another, of an area drawn alike; with mixup too, each batch draws one."""

    mixup_prob: Annotated[float, Field(gt=0, le=1)] | None = None
    """Probability that a batch is mixed; none means 1. Needs `mixup_alpha` or `cutmix_alpha`."""

    mixup_off_epoch: PositiveInt | None = None
    """Epochs with mixing, after which images come unmixed; none mixes to the end."""

    autocast_dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Number format of forward and backward; `bfloat16` becomes float32 on a device that is not faster with it."""

    seed: Annotated[int, Field(ge=0)] = 0
    """Decides initial weights, order of images and every random change of them."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; `auto` takes a GPU if there is one."""

    deterministic: bool = False
    """Use kernels that give equal results only, which are slower on a GPU; an operation that has none is an error."""

    num_threads: PositiveInt | None = None
    """CPU threads of the training process; none means the cores it may use. Other counts give other roundings."""

    # --- names, logs, checkpoints ---------------------------------------------------------------
    run_name: str | None = None
    """Base name of the run; none means `model__loss__pretrained` or `..__scratch`. A taken one gets `-v1`, `-v2` ..."""

    model_suffix: str = ""
    """Added to the base name, to tell variants apart."""

    tb_root: Annotated[str, Field(min_length=1)] = "runs"
    """Folder of run folders (logs, metrics, figures, TensorBoard); beneath `SHARED_LOGS_DIR` where that is set."""

    ckpt_dir: Annotated[str, Field(min_length=1)] = "checkpoints"
    """Folder of checkpoint folders; beneath `SHARED_LOGS_DIR` where that is set."""

    log_interval_steps: PositiveInt = 10
    """Optimizer steps between two rows of training metrics."""

    eval_topk: Annotated[tuple[PositiveInt, ...], Strict(False)] = (1, 5)
    """K of the reported `val_acc@K`; 1 is always reported, a K above the number of classes is left out."""

    test_time_augmentation: Literal["none", "hflip", "five_crop"] = "none"
    """Views of a test image whose logits are averaged: `hflip` adds its mirror image, `five_crop` takes centre and
    corners. Val and training never use it."""

    monitor_metric: str = "val_acc@1"
    """Metric id that decides which weights are best."""

    monitor_mode: Literal["max", "min"] = "max"
    """Whether a larger or a smaller `monitor_metric` is better."""

    early_stop_patience: PositiveInt | None = None
    """Stop after this many epochs in a row in which `monitor_metric` did not improve; none never stops early."""

    early_stop_min_delta: Annotated[float, Field(ge=0)] = 0.0
    """Least change of `monitor_metric` that counts as an improvement. Needs `early_stop_patience`."""

    save_per_epoch_checkpoint: bool = False
    """Also keep `epoch_XXX.pt` of every epoch."""

    checkpoint_every_steps: PositiveInt | None = None
    """Commit a checkpoint every so many optimizer steps too, not only after each epoch."""

    checkpoint_every_minutes: Annotated[float, Field(gt=0)] | None = None
    """Commit a checkpoint also when the last one is so many minutes old; with `checkpoint_every_steps`, both hold."""

    keep_last: PositiveInt = 2
    """Newest checkpoints to keep, besides the best one."""

    plugins: Annotated[tuple[str, ...], Strict(False)] = ()
    """Importable modules that register parts of your own before the run is built."""

    @field_validator(*_MOST)
    @classmethod
    def _is_within_reach(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value > (most := _MOST[str(info.field_name)]):
            raise ValueError(f"is more than {most}, which no machine bears; lower it")
        return value

    @field_validator("prefetch_factor", "persistent_workers")
    @classmethod
    def _needs_loader_processes(cls, value: int | bool | None, info: ValidationInfo) -> int | bool | None:
        if value and info.data.get("num_workers") == 0:
            raise ValueError("has no effect with num_workers 0; leave it out or raise num_workers")
        return value

    @field_validator("max_skipped_steps")
    @classmethod
    def _needs_nan_policy(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value and info.data.get("nan_policy") == "stop":
            raise ValueError("has no effect with nan_policy 'stop'; leave it out or set nan_policy to 'skip'")
        return value

    @field_validator("early_stop_min_delta")
    @classmethod
    def _needs_patience(cls, value: float, info: ValidationInfo) -> float:
        if value and info.data.get("early_stop_patience", 1) is None:
            raise ValueError("has no effect without early_stop_patience; set that too or leave this out")
        return value

    @field_validator("random_erasing_fill")
    @classmethod
    def _needs_random_erasing(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and not info.data.get("random_erasing"):
            raise ValueError("has no effect with random_erasing 0; leave it out or raise random_erasing")
        return value

    @field_validator("mixup_prob", "mixup_off_epoch")
    @classmethod
    def _needs_mixing(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and not (info.data.get("mixup_alpha") or info.data.get("cutmix_alpha")):
            raise ValueError("has no effect without mixup_alpha or cutmix_alpha above 0; leave it out or set one")
        epochs = info.data.get("epochs")
        if value is not None and info.field_name == "mixup_off_epoch" and epochs is not None and value >= epochs:
            raise ValueError(f"has no effect in a run of {epochs} epochs; leave it out or lower it")
        return value

    @field_validator("cache_edge")
    @classmethod
    def _needs_a_cache(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and not info.data.get("decoded_cache", True):
            raise ValueError("has no effect without decoded_cache; leave it out or set decoded_cache to true")
        return value

    @field_validator("max_corrupt_share")
    @classmethod
    def _needs_skipping(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("on_corrupt") == "fail":
            raise ValueError("has no effect with on_corrupt 'fail'; leave it out or set on_corrupt to 'skip'")
        return value

    @field_validator("max_datapoints_per_class")
    @classmethod
    def _caps_are_not_empty(cls, value: Any) -> Any:
        if value in ((), {}):
            raise ValueError("names no cap; leave it out to use all images")
        return value

    @field_validator(
        "augmentation_options", "gpu_augmentation_options", "loss_options", "optimizer_options", "schedule_options"
    )
    @classmethod
    def _options_are_json(cls, value: Options) -> Options:
        return {key: _to_json(option, f"[{key!r}]") for key, option in value.items()}

    @field_validator("class_weights")
    @classmethod
    def _weights_are_not_empty(cls, value: Any) -> Any:
        if value == {}:
            raise ValueError("names no weight; leave it out to weigh all images alike")
        return value

    @field_validator("drop_path_rate", "gradient_checkpointing", "layer_decay")
    @classmethod
    def _needs_a_backbone_that_trains(cls, value: float | bool | None, info: ValidationInfo) -> float | bool | None:
        if value and info.data.get("freeze_backbone"):
            raise ValueError("has no effect with freeze_backbone; leave one of them out")
        return value

    @field_validator("label_map")
    @classmethod
    def _indices_are_dense(cls, value: dict[str, int] | None) -> dict[str, int] | None:
        if value is not None and sorted(value.values()) != list(range(len(value))):
            raise ValueError(f"must map {len(value)} classes to 0..{len(value) - 1}, each index once")
        return value

    @field_validator("eval_topk")
    @classmethod
    def _topk_is_sorted(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted({1, *value}))

    @field_validator("model_revision")
    @classmethod
    def _revision_is_for_hub_models(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and str(info.data.get("model_flavour", "")).startswith("builtin/"):
            raise ValueError("has no effect on a builtin model; leave it out")
        return value

    @property
    def effective_batch_size(self) -> int:
        """Images per optimizer step."""
        return self.batch_size * self.grad_accum_steps


def _to_json(value: Any, where: str) -> Any:
    """Copy an option as what JSON gives back: what is saved with a run is then what it ran with."""
    if isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise ValueError(f"{where} has the key {odd[0]!r}; write keys as strings")
        return {key: _to_json(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(f"{where} is {value!r:.60}; use finite numbers, strings, booleans, lists and dicts")
