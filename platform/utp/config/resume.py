"""What may change when a run is resumed: the one table, and what it says of two configs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from utp.config.train import TrainConfig

_SAME_DATA = "the saved position in the data means other images"
_SAME_MODEL = "the saved weights are of another model"
_SAME_GOAL = "the steps made so far pursued another goal"
_SAME_OPTIMIZER = "the saved state of optimizer or schedule does not fit"
_SAME_DRAWS = "its random draws would be others than those of a run that was never interrupted"
_SAME_PLACE = "it decides where the run lies; a resumed run stays there"
_SAME_BEST = "the best value so far is of another metric"

UNSAFE_ON_RESUME: Mapping[str, str] = {
    "root": _SAME_DATA,
    "batch_size": _SAME_DATA,
    "grad_accum_steps": "a step would have another size, and the run another number of steps",
    "max_datapoints_per_class": _SAME_DATA,
    "data_seed": _SAME_DATA,
    "label_map": "the saved head numbers its classes otherwise",
    "sampler": _SAME_DRAWS,
    "decoded_cache": "the steps made so far saw slightly other pixels",
    "cache_edge": "the steps made so far saw pictures of another size",
    "image_size": "the steps made so far saw images of another size",
    "augmentation": _SAME_DRAWS,
    "augmentation_options": _SAME_DRAWS,
    "mixup_alpha": _SAME_DRAWS,
    "cutmix_alpha": _SAME_DRAWS,
    "mixup_prob": _SAME_DRAWS,
    "gpu_augmentation": _SAME_DRAWS,
    "gpu_augmentation_options": _SAME_DRAWS,
    "random_erasing": _SAME_DRAWS,
    "random_erasing_fill": _SAME_DRAWS,
    "model_flavour": _SAME_MODEL,
    "model_revision": _SAME_MODEL,
    "load_pretrained": "the weights it started from can't be changed any more",
    "freeze_backbone": "the saved optimizer state is of other parameters",
    "drop_path_rate": _SAME_DRAWS,
    "sync_batchnorm": "the batch norms would see other batches",
    "task": _SAME_GOAL,
    "loss": _SAME_GOAL,
    "loss_options": _SAME_GOAL,
    "class_weights": _SAME_GOAL,
    "optimizer": _SAME_OPTIMIZER,
    "optimizer_options": _SAME_OPTIMIZER,
    "layer_decay": "the saved optimizer state is of other groups",
    "schedule": _SAME_OPTIMIZER,
    "schedule_options": _SAME_OPTIMIZER,
    "warmup_ratio": _SAME_OPTIMIZER,
    "ema_decay": "the saved average of the weights has another decay, or there is none",
    "seed": _SAME_DRAWS,
    "run_name": _SAME_PLACE,
    "model_suffix": _SAME_PLACE,
    "tb_root": _SAME_PLACE,
    "ckpt_dir": _SAME_PLACE,
    "monitor_metric": _SAME_BEST,
    "monitor_mode": _SAME_BEST,
    "plugins": "they may replace any part that the saved state belongs to",
}
"""Fields that a resumed run must keep, and why."""

_LATER_STEPS = "holds for the steps to come"
_ONLY_SPEED = "changes how fast batches come, not what is in them"
_ONLY_REPORTS = "changes what is reported, not what is learnt"
_ONLY_SAVING = "changes what is kept on disk, not what is learnt"
_ONLY_ROUNDING = "changes roundings alone"

SAFE_ON_RESUME: Mapping[str, str] = {
    "epochs": "a run may be made longer or shorter",
    "lr": _LATER_STEPS,
    "weight_decay": _LATER_STEPS,
    "max_grad_norm": _LATER_STEPS,
    "nan_policy": _LATER_STEPS,
    "max_skipped_steps": _LATER_STEPS,
    "mixup_off_epoch": _LATER_STEPS,
    "num_workers": _ONLY_SPEED,
    "prefetch_factor": _ONLY_SPEED,
    "persistent_workers": _ONLY_SPEED,
    "on_corrupt": "decides what becomes of images that can't be decoded, not of those that can",
    "max_corrupt_share": "decides when too many images can't be decoded, not what is learnt from the others",
    "eval_batch_size": _ONLY_SPEED,
    "eval_topk": _ONLY_REPORTS,
    "test_time_augmentation": _ONLY_REPORTS,
    "log_interval_steps": _ONLY_REPORTS,
    "early_stop_patience": "a run may be made longer or shorter",
    "early_stop_min_delta": "holds for the epochs to come",
    "save_per_epoch_checkpoint": _ONLY_SAVING,
    "checkpoint_every_steps": _ONLY_SAVING,
    "checkpoint_every_minutes": _ONLY_SAVING,
    "keep_last": _ONLY_SAVING,
    "device": _ONLY_ROUNDING,
    "autocast_dtype": _ONLY_ROUNDING,
    "num_threads": _ONLY_ROUNDING,
    "deterministic": _ONLY_ROUNDING,
    "gradient_checkpointing": _ONLY_ROUNDING,
    "channels_last": _ONLY_ROUNDING,
    "compile": _LATER_STEPS,
}
"""Fields that a resumed run may change, and why."""


@dataclass(frozen=True)
class ConfigChange:
    """Names of the fields in which two configs differ, in their order; `unsafe` ones are refused on resume."""

    saved: TrainConfig
    new: TrainConfig
    safe: tuple[str, ...]
    unsafe: tuple[str, ...]

    def describe_safe(self) -> tuple[str, ...]:
        """One sentence for each change that is made."""
        return tuple(f"{self._difference(name)}: {SAFE_ON_RESUME[name]}" for name in self.safe)

    def describe_unsafe(self) -> str:
        """All changes that are refused, with the reason of each."""
        return "; ".join(f"{self._difference(name)}: {UNSAFE_ON_RESUME[name]}" for name in self.unsafe)

    def _difference(self, name: str) -> str:
        return f"{name} was {getattr(self.saved, name)!r:.60} and is {getattr(self.new, name)!r:.60} now"
