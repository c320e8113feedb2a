"""How a model is trained beyond its weights: drop-path, memory for time, compilation."""

from __future__ import annotations

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import distributed, nn
from transformers import PreTrainedConfig, PreTrainedModel

from utp.config.train import TrainConfig
from utp.core.compilation import compile_in_place
from utp.errors import ConfigError, ModelError

_DROP_PATH_FIELDS = ("drop_path_rate", "drop_connect_rate")  # the latter is EfficientNet's


def set_drop_path(config: PreTrainedConfig, rate: float, model_flavour: str) -> None:
    """Set the rate in a model's config, before it is built. Raises `ModelError` for a family that has no drop-path."""
    if config.model_type == "timm_wrapper":
        config.model_args = {**(config.model_args or {}), "drop_path_rate": rate}
        return
    field = next((name for name in _DROP_PATH_FIELDS if isinstance(getattr(config, name, None), int | float)), None)
    if field is None:
        problem = (
            f"drop_path_rate {rate} has no effect: the family {config.model_type!r} has no drop-path; leave it out"
        )
        raise ModelError(model_flavour, problem)
    try:
        setattr(config, field, rate)
    except StrictDataclassError as error:
        problem = (
            f"drop_path_rate {rate} is refused by the family {config.model_type!r}: its config takes whole numbers"
        )
        raise ModelError(model_flavour, f"{problem} only; leave it out") from error


def enable_gradient_checkpointing(model: PreTrainedModel, model_flavour: str) -> None:
    """Compute activations again in backward in place of keeping them.

    Raises:
        ModelError: the family can't, or has batch norms in it, whose statistics would move twice a step.
    """
    family = model.config.model_type
    if not model.supports_gradient_checkpointing:
        raise ModelError(
            model_flavour, f"the family {family!r} has no gradient_checkpointing; leave it out or lower batch_size"
        )
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        raise ModelError(
            model_flavour,
            f"gradient_checkpointing would update the batch norms of {family!r} twice a step; leave it out or lower "
            "batch_size",
        )
    model.activation_checkpointing_enable({"use_reentrant": False})


def prepare_model(config: TrainConfig, model: PreTrainedModel) -> PreTrainedModel:
    """Apply what changes how a model computes and not what it is; names and shapes of its weights stay.

    Raises:
        ConfigError: `sync_batchnorm` where there is nothing to synchronise.
    """
    if config.sync_batchnorm:
        _check_workers(config)
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    if config.compile:
        compile_in_place(model)
    return model


def _check_workers(config: TrainConfig) -> None:
    if config.device == "cpu" or not torch.cuda.is_available():
        raise ConfigError(("sync_batchnorm: True needs GPUs, and this run is on the CPU; set it to false",))
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        raise ConfigError(("sync_batchnorm: True has no effect with one worker; set it to false, or ask for more",))
