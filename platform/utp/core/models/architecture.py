"""The architecture of a model: its config with our labels, or the reason why it can't classify images here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS

from utp.core.models.source import ModelSource, refuse_remote_code
from utp.errors import ModelError

_UNSUITED = {
    "imagegpt": "reads clusters of colours, not pixels",
    "shieldgemma2": "answers questions about an image and has no head to train",
    "siglip2": "reads patches of images of any shape, not a batch of equal squares",
}


def load_architecture(source: ModelSource) -> PreTrainedConfig:
    """Return the config of `source` as it was saved; runs no code of the model's.

    Raises:
        ModelError: the Hub or the model can't be reached, or it is no image classifier that can be trained here.
    """
    raw = _read_raw_config(source)
    refuse_remote_code(source.model_flavour, raw)
    _check_model_type(source, raw.get("model_type"))
    if raw.get("quantization_config"):
        raise ModelError(
            source.model_flavour,
            "its weights are quantised, which can't be trained; use the model that it was made from",
        )
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            source.location, revision=source.revision, trust_remote_code=False
        )
    except (OSError, ValueError, TypeError, KeyError, StrictDataclassError) as error:
        raise ModelError(
            source.model_flavour, f"its config.json is not valid: {_first_line(error)}; write it with save_pretrained"
        ) from error
    if config.architectures is None:
        config.architectures = [_default_class_name(config.model_type)]  # none crashes DeiT, LeViT, Perceiver in 5.23
    config.problem_type = None
    return config


def saved_classes(config: PreTrainedConfig) -> tuple[str, ...]:
    """Return the class names of a config, by index."""
    return tuple(name for _, name in sorted((config.id2label or {}).items()))


def set_classes(config: PreTrainedConfig, classes: Sequence[str]) -> None:
    """Give a config these classes, by index."""
    config.id2label = dict(enumerate(classes))
    config.label2id = {name: index for index, name in enumerate(classes)}
    if hasattr(config, "label_names"):  # timm's wrapper keeps those of its file apart, and would save them again
        config.label_names = list(classes)


def hub_problem(error: Exception) -> str:
    """Return what to tell about a model that the Hub did not give, with the ways out."""
    return (
        f"can't be had from the Hub or its cache: {_first_line(error)}. Check the id, the revision and HF_TOKEN; on a "
        "machine without internet set HF_HUB_OFFLINE=1 and fill the cache, or name a local directory (beneath "
        "MODELS_DIR where that is set) or a builtin model"
    )


def _read_raw_config(source: ModelSource) -> dict[str, Any]:
    try:
        raw, _ = PreTrainedConfig.get_config_dict(source.location, revision=source.revision)
    except OSError as error:
        raise ModelError(source.model_flavour, hub_problem(error)) from error
    return dict(raw)


def _check_model_type(source: ModelSource, model_type: Any) -> None:
    if model_type in _UNSUITED:
        raise ModelError(source.model_flavour, f"model type {model_type!r} {_UNSUITED[model_type]}; use {_known()}")
    if model_type not in CLASSIFIERS:
        raise ModelError(
            source.model_flavour, f"model type {model_type!r} has no image-classification head; use {_known()}"
        )


def _known() -> str:
    return f"a model of one of the types {', '.join(sorted(set(CLASSIFIERS) - set(_UNSUITED)))}"


def _default_class_name(model_type: str) -> str:
    names = CLASSIFIERS[model_type]
    return str(names if isinstance(names, str) else names[0])


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
