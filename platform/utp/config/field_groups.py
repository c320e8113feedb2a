"""Which fields of `TrainConfig` stand together in a form: the one table."""

from __future__ import annotations

from collections.abc import Mapping

FIELD_GROUPS: Mapping[str, tuple[str, ...]] = {
    "data": (
        "root",
        "batch_size",
        "eval_batch_size",
        "num_workers",
        "prefetch_factor",
        "persistent_workers",
        "max_datapoints_per_class",
        "data_seed",
        "label_map",
        "sampler",
        "on_corrupt",
        "max_corrupt_share",
        "decoded_cache",
        "cache_edge",
        "image_size",
    ),
    "augmentation": (
        "augmentation",
        "augmentation_options",
        "gpu_augmentation",
        "gpu_augmentation_options",
        "random_erasing",
        "random_erasing_fill",
        "mixup_alpha",
        "cutmix_alpha",
        "mixup_prob",
        "mixup_off_epoch",
    ),
    "model": (
        "model_flavour",
        "model_revision",
        "load_pretrained",
        "freeze_backbone",
        "drop_path_rate",
        "gradient_checkpointing",
        "channels_last",
        "compile",
        "sync_batchnorm",
    ),
    "loss": ("task", "loss", "loss_options", "class_weights"),
    "optimization": (
        "epochs",
        "optimizer",
        "optimizer_options",
        "lr",
        "weight_decay",
        "layer_decay",
        "max_grad_norm",
        "grad_accum_steps",
        "ema_decay",
        "nan_policy",
        "max_skipped_steps",
    ),
    "schedule": ("schedule", "schedule_options", "warmup_ratio"),
    "evaluation": (
        "eval_topk",
        "test_time_augmentation",
        "monitor_metric",
        "monitor_mode",
        "early_stop_patience",
        "early_stop_min_delta",
    ),
    "checkpoints": (
        "ckpt_dir",
        "keep_last",
        "save_per_epoch_checkpoint",
        "checkpoint_every_steps",
        "checkpoint_every_minutes",
    ),
    "execution": ("seed", "deterministic", "device", "autocast_dtype", "num_threads", "plugins"),
    "logging": ("run_name", "model_suffix", "tb_root", "log_interval_steps"),
}
"""Groups in the order of the form, each with its fields in order."""

REST = "other"
"""Group of a field that stands in none."""


def group_of(field: str) -> str:
    """Return the group of a field."""
    return next((group for group, fields in FIELD_GROUPS.items() if field in fields), REST)
