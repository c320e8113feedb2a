"""Model options: what they change, what they leave as it is, and families that do not have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.core.models.families import FAMILIES, SIZE
from torch import Tensor, nn
from transformers import PreTrainedModel

from utp.config.train import TrainConfig
from utp.core.memory_format import is_convolutional
from utp.core.models.build import build_classifier
from utp.core.models.options import prepare_model
from utp.core.models.source import ModelSource
from utp.core.randomness import reseed
from utp.errors import ConfigError, ModelError

Build = Callable[..., ModelSource]
NO_DROP_PATH = {
    "deit", "levit", "mobilenet_v1", "mobilenet_v2", "mobilevit", "mobilevitv2", "regnet", "resnet", "siglip", "vit",
}  # fmt: skip
WITHOUT_CONVOLUTIONS = {"beit", "deit", "siglip", "swin", "vit"}
CHECKPOINTS = {"beit", "deit", "siglip", "swin", "vit"}


def build(source: ModelSource, **options: Any) -> PreTrainedModel:
    return build_classifier(source, ["a", "b"], load_pretrained=False, freeze_backbone=False, seed=0, **options)


def train_step(model: nn.Module, seed: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
    """Return logits and gradients; the draws of dropout and drop-path are functions of `seed`."""
    model.train()
    images = torch.randn(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    reseed(seed)
    logits = model(pixel_values=images).logits
    logits.square().sum().backward()
    return logits.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("family", FAMILIES)
def test_drop_path_makes_steps_random_or_is_refused_with_the_familys_name(architecture: Build, family: str) -> None:
    source = architecture(family)
    if family in NO_DROP_PATH:
        with pytest.raises(ModelError, match=f"drop_path_rate 0.9 .* family '{family}'"):
            build(source, drop_path_rate=0.9)
        return
    if family == "efficientnet":
        source = architecture(family, num_block_repeats=[2, 1])  # it drops blocks beyond the first of a stage alone
    model = build(source, drop_path_rate=0.9)
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout) and "encoder" not in name:  # EfficientNet's drop-path is one of these
            module.p = 0.0
    assert any(not torch.equal(train_step(model, 0)[0], train_step(model, seed)[0]) for seed in range(1, 6))


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_gives_the_same_gradients_or_is_refused(architecture: Build, family: str) -> None:
    source = architecture(family)
    if family not in CHECKPOINTS:
        with pytest.raises(ModelError, match=f"gradient_checkpointing.*'{family}'|'{family}'.*gradient_checkpointing"):
            build(source, gradient_checkpointing=True)
        return
    plain, checkpointed = build(source), build(source, gradient_checkpointing=True)
    calls: list[int] = []
    block = next(m for m in checkpointed.modules() if getattr(m, "gradient_checkpointing", False))
    next(m for m in block.modules() if isinstance(m, nn.Linear)).register_forward_hook(lambda *_: calls.append(1))
    (logits, gradients), (others, other_gradients) = train_step(plain), train_step(checkpointed)
    assert torch.equal(logits, others)
    assert gradients.keys() == other_gradients.keys()
    assert all(torch.equal(gradients[name], other_gradients[name]) for name in gradients)
    assert len(calls) >= 2, "forward ran again in backward; twice where stages and their blocks are checkpointed"


@pytest.mark.parametrize("family", FAMILIES)
def test_convolutions_are_told_from_a_patch_embedding(architecture: Build, family: str) -> None:
    assert is_convolutional(build(architecture(family))) == (family not in WITHOUT_CONVOLUTIONS)


def test_names_and_shapes_of_the_weights_are_those_of_the_plain_model(architecture: Build) -> None:
    source = architecture("resnet")
    plain = build(source).state_dict()
    prepared = prepare_model(TrainConfig(root="x", model_flavour="x", compile=True), build(source))
    assert isinstance(prepared, PreTrainedModel)
    assert prepared.state_dict().keys() == plain.keys()
    assert all(torch.equal(tensor, plain[name]) for name, tensor in prepared.state_dict().items())


def test_sync_batchnorm_on_the_cpu_is_refused_with_the_way_out(architecture: Build) -> None:
    config = TrainConfig(root="x", model_flavour="x", sync_batchnorm=True, device="cpu")
    with pytest.raises(ConfigError, match=r"sync_batchnorm: True needs GPUs, .* set it to false"):
        prepare_model(config, build(architecture("resnet")))
