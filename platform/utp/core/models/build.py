"""Builds the classifier of a run: architecture, weights, head, repairs. One seed gives the same weights anywhere."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from torch.nn.modules.conv import _ConvNd
from transformers import AutoModelForImageClassification, PreTrainedConfig, PreTrainedModel

from utp.core.models.architecture import hub_problem, load_architecture, saved_classes, set_classes
from utp.core.models.head import freeze_backbone as freeze
from utp.core.models.head import head_parameters, label_parameter_names
from utp.core.models.options import enable_gradient_checkpointing, set_drop_path
from utp.core.models.quiet import quiet_transformers
from utp.core.models.repairs import apply_repairs
from utp.core.models.source import ModelSource, require_weights
from utp.core.randomness import derive_seed, reseed
from utp.errors import ModelError

log = logging.getLogger(__name__)

_LISTED = 8


def build_classifier(
    source: ModelSource,
    classes: Sequence[str],
    *,
    load_pretrained: bool,
    freeze_backbone: bool,
    seed: int,
    image_size: tuple[int, int] | None = None,
    drop_path_rate: float | None = None,
    gradient_checkpointing: bool = False,
) -> PreTrainedModel:
    """Return a float32 classifier of `classes`: `model(pixel_values=(N, C, H, W)).logits` is (N, len(classes)).

    `image_size` (H, W) is tried on the model: one that was built for another size is refused, or, from scratch, built
    for this one.

    The saved head is kept where it is of the same classes in the same order, else a new one is drawn.

    Raises:
        ModelError: the model can't be had, can't classify images, or its weights are not those of its architecture.
    """
    assert classes, "a classifier needs classes"
    assert len(set(classes)) == len(classes), "two classes have one name"
    if load_pretrained:
        require_weights(source)
    config = load_architecture(source)
    has_our_head = saved_classes(config) == tuple(classes)
    set_classes(config, classes)
    if drop_path_rate is not None:
        set_drop_path(config, drop_path_rate, source.model_flavour)
    if image_size and not load_pretrained and isinstance(getattr(config, "image_size", None), int):
        config.image_size = max(image_size)
    if image_size and config.model_type == "timm_wrapper":  # whose image processor is saved in it
        config.pretrained_cfg = {**(config.pretrained_cfg or {}), "input_size": [3, *image_size]}
    if load_pretrained:
        model, absent = _load_weights(source, config)
        _draw(model, absent | (frozenset() if has_our_head else label_parameter_names(model)), seed)
    else:
        model = _draw_weights(source, config, seed)
    for repair in apply_repairs(model, freshly_initialised=not load_pretrained):
        log.info("%s: %s", source.model_flavour, repair)
    if freeze_backbone:
        freeze(model)
    if gradient_checkpointing:
        enable_gradient_checkpointing(model, source.model_flavour)
    if image_size:
        _try_size(source, model, image_size)
    return model


def load_classifier(source: ModelSource) -> PreTrainedModel:
    """Return a trained float32 classifier as it was saved, head included.

    Raises:
        ModelError: it is no image classifier, or not all of its weights are there.
    """
    require_weights(source)
    model, absent = _load_weights(source, load_architecture(source))
    if absent:
        missing = ", ".join(sorted(absent)[:_LISTED])
        raise ModelError(
            source.model_flavour, f"its head has no weights ({missing}): it is not trained; train it first"
        )
    return model


def _try_size(source: ModelSource, model: PreTrainedModel, image_size: tuple[int, int]) -> None:
    """Refuse a size that the model does not take: here, in a sentence, and not in the first step of a long run."""
    model.eval()  # type: ignore[no-untyped-call]
    try:
        with torch.no_grad():
            model(pixel_values=torch.zeros(1, 3, *image_size))
    except (ValueError, RuntimeError) as error:
        height, width = image_size
        own = getattr(model.config, "image_size", None)
        way_out = f"set image_size to {own}, or leave it out" if own else "choose another image_size"
        raise ModelError(
            source.model_flavour, f"does not take pictures of {height}x{width} pixels ({error}); {way_out}"
        ) from error


def _draw_weights(source: ModelSource, config: PreTrainedConfig, seed: int) -> PreTrainedModel:
    reseed(derive_seed(seed, "init"))
    try:
        model: PreTrainedModel = AutoModelForImageClassification.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.float32, trust_remote_code=False
        )
    except ImportError as error:
        raise ModelError(source.model_flavour, _missing_package(error)) from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelError(
            source.model_flavour, f"its config.json describes no model that can be built: {error}"
        ) from error
    _draw(model, label_parameter_names(model), seed)
    return model


def _load_weights(source: ModelSource, config: PreTrainedConfig) -> tuple[PreTrainedModel, frozenset[str]]:
    """Return the model with its saved weights, and the names of the head's parameters that were not saved."""
    try:
        with quiet_transformers():
            model, info = AutoModelForImageClassification.from_pretrained(
                source.location,
                config=config,
                revision=source.revision,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except ImportError as error:
        raise ModelError(source.model_flavour, _missing_package(error)) from error
    except OSError as error:
        raise ModelError(source.model_flavour, hub_problem(error)) from error
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise ModelError(source.model_flavour, f"its weights can't be read: {error}. Fetch them again") from error
    return model, _absent_head_parameters(source, model, info)


def _absent_head_parameters(source: ModelSource, model: PreTrainedModel, info: dict[str, Any]) -> frozenset[str]:
    """Raise `ModelError` where a weight of the backbone is not as saved: transformers would train it from random."""
    reshaped = {name: f"{name} is {tuple(saved)}, not {tuple(built)}" for name, saved, built in info["mismatched_keys"]}
    absent = {name: f"{name} is missing" for name in info["missing_keys"]} | reshaped
    head = head_parameters(model)
    faults = sorted(text for name, text in absent.items() if name not in head and _carries_knowledge(model, name))
    if faults:
        more = f" and {len(faults) - _LISTED} more" if len(faults) > _LISTED else ""
        raise ModelError(
            source.model_flavour,
            f"{len(faults)} of the backbone's weights are not what config.json describes: "
            f"{'; '.join(faults[:_LISTED])}{more}. Use the config.json that belongs to the weights, "
            "or set load_pretrained to false",
        )
    return frozenset(absent) & frozenset(head)


def _carries_knowledge(model: PreTrainedModel, name: str) -> bool:
    """Whether a tensor was learnt; other buffers are computed from the config, counters are not used."""
    return name.endswith((".running_mean", ".running_var")) or name in dict(model.named_parameters())


def _draw(model: PreTrainedModel, names: Collection[str], seed: int) -> None:
    """Draw the layers of these parameters in the family's own way, from `seed` alone, whatever was drawn before."""
    owners = {name.rpartition(".")[0] for name in names}
    reseed(derive_seed(seed, "init-head"))
    # transformers draws what is not marked as initialised; parents too, since some families draw the head in them.
    for path, module in model.named_modules():
        is_drawn = path in owners
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            _mark(tensor, not is_drawn)
        if is_drawn and isinstance(module, nn.Linear | _ConvNd):
            module.reset_parameters()  # for a family whose own initialisation leaves the head out
        _mark(module, not any(owner == path or owner.startswith(f"{path}." if path else "") for owner in owners))
    model.initialize_weights()  # type: ignore[no-untyped-call]


def _mark(part: torch.Tensor | nn.Module, is_initialised: bool) -> None:
    part._is_hf_initialized = is_initialised  # type: ignore[union-attr]


def _missing_package(error: ImportError) -> str:
    return f"its architecture needs a package that is not installed: {' '.join(str(error).split())}"
