from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.core.models.families import FAMILIES, SIZE
from torch import nn
from transformers import PreTrainedModel

from utp.core.models.build import build_classifier
from utp.core.models.head import freeze_backbone, head_parameters, set_training_mode
from utp.core.models.source import ModelSource

CLASSES = ("cat", "dog", "eel")
Architecture = Callable[..., ModelSource]


def _build(source: ModelSource, *, frozen: bool = False) -> PreTrainedModel:
    return build_classifier(source, CLASSES, load_pretrained=False, freeze_backbone=frozen, seed=0)


def _step(model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> None:
    images, labels = torch.rand(6, 3, SIZE, SIZE) + 3, torch.arange(6) % len(CLASSES)
    nn.functional.cross_entropy(model(pixel_values=images).logits, labels).backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_trains_end_to_end(architecture: Architecture, family: str) -> None:
    model = _build(architecture(family))
    set_training_mode(model)
    logits = model(pixel_values=torch.rand(4, 3, SIZE, SIZE)).logits
    assert logits.shape == (4, len(CLASSES))
    logits.square().sum().backward()
    head = head_parameters(model)
    assert head
    for name, parameter in model.named_parameters():
        # SigLIP's pooling head is part of its vision model and not used by the classifier.
        assert parameter.grad is not None or name.startswith("vision_model.head."), name
    assert all(parameter.grad.abs().sum() > 0 for parameter in head.values())  # type: ignore[union-attr]


@pytest.mark.parametrize("family", FAMILIES)
def test_head_is_a_small_part_that_reaches_the_labels(architecture: Architecture, family: str) -> None:
    model = _build(architecture(family))
    head = head_parameters(model)
    assert any(parameter.shape[0] == len(CLASSES) for parameter in head.values())
    assert all(name.startswith(("classifier", "norm", "head", "dist_head")) for name in head)


def test_head_is_found_where_a_hidden_layer_is_as_wide_as_there_are_classes(architecture: Architecture) -> None:
    source = architecture("vit")
    classes = [f"class {index}" for index in range(16)]  # its hidden size
    model = build_classifier(source, classes, load_pretrained=False, freeze_backbone=False, seed=0)
    assert set(head_parameters(model)) == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("family", FAMILIES)
def test_freezing_lets_only_the_head_train(architecture: Architecture, family: str) -> None:
    model = _build(architecture(family), frozen=True)
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trainable == set(head_parameters(model))


@pytest.mark.parametrize("family", ["efficientnet", "resnet", "levit", "mobilenet_v2", "siglip"])
def test_frozen_backbone_stays_bit_equal_over_training_steps(architecture: Architecture, family: str) -> None:
    model = _build(architecture(family), frozen=True)
    head = head_parameters(model)
    in_head = {name.rpartition(".")[0] for name in head}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    set_training_mode(model)
    for _ in range(3):
        _step(model, optimizer)
    after = model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.rpartition(".")[0] in in_head for name in changed)


def test_frozen_statistics_would_move_in_plain_training_mode(architecture: Architecture) -> None:
    model = _build(architecture("efficientnet"), frozen=True)
    before = model.efficientnet.embeddings.batchnorm.running_mean.clone()
    model.train()
    _step(model, torch.optim.SGD(head_parameters(model).values(), lr=0.1))
    assert not torch.equal(before, model.efficientnet.embeddings.batchnorm.running_mean)


def test_training_mode_keeps_the_heads_dropout_on_and_the_frozen_ones_off(architecture: Architecture) -> None:
    model = _build(architecture("efficientnet"), frozen=True)
    set_training_mode(model)
    assert model.dropout.training
    assert model.classifier.training
    assert not any(module.training for module in model.efficientnet.modules())


def test_training_mode_trains_all_of_a_model_that_is_not_frozen(architecture: Architecture) -> None:
    model = _build(architecture("efficientnet")).eval()
    set_training_mode(model)
    assert all(module.training for module in model.modules())


def test_training_mode_returns_after_thawing(architecture: Architecture) -> None:
    model = _build(architecture("resnet"))
    freeze_backbone(model)
    set_training_mode(model)
    model.requires_grad_(True)
    set_training_mode(model)
    assert all(module.training for module in model.modules())
