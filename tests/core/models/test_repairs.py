"""Each repair twice: transformers' own model still has the defect (else the repair can go), ours has not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.core.models.families import FAMILIES, SIZE
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from transformers import AutoModelForImageClassification, PreTrainedModel

from utp.core.models.build import build_classifier
from utp.core.models.repairs import apply_repairs
from utp.core.models.source import ModelSource

WITH_FORGETFUL_STATISTICS = ("efficientnet", "mobilenet_v1", "mobilenet_v2")
WITH_DRAWN_SCALES = ("efficientnet", "mobilevit", "mobilevitv2")
Architecture = Callable[..., ModelSource]


def _plain(family: str) -> PreTrainedModel:
    torch.manual_seed(0)
    config = FAMILIES[family]()
    config.num_labels = 2
    config.architectures = []  # none crashes from_config of families with two classifiers
    model: PreTrainedModel = AutoModelForImageClassification.from_config(config)  # type: ignore[no-untyped-call]
    return model


def _repaired(source: ModelSource) -> PreTrainedModel:
    return build_classifier(source, ("dark", "bright"), load_pretrained=False, freeze_backbone=False, seed=0)


def _share_of_last_batch(model: PreTrainedModel) -> float:
    """How much of the first norm's running mean comes of the last of 20 batches, which is unlike the others."""
    norm = next(module for module in model.modules() if isinstance(module, _BatchNorm))
    seen: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mean(dim=(0, 2, 3)).detach()))
    usual, unlike = torch.rand(4, 3, SIZE, SIZE), 3 + torch.rand(4, 3, SIZE, SIZE)
    model.train()
    for batch in [usual] * 19 + [unlike]:
        model(pixel_values=batch)
    return float((norm.running_mean - seen[0]).norm() / (seen[-1] - seen[0]).norm())  # type: ignore[operator]


@pytest.mark.parametrize("family", WITH_FORGETFUL_STATISTICS)
def test_running_statistics_are_not_those_of_the_last_batch(architecture: Architecture, family: str) -> None:
    assert _share_of_last_batch(_plain(family)) > 0.95
    assert _share_of_last_batch(_repaired(architecture(family))) < 0.3


def _scales(model: PreTrainedModel) -> torch.Tensor:
    return torch.cat([module.weight.detach() for module in model.modules() if isinstance(module, _BatchNorm)])


@pytest.mark.parametrize("family", WITH_DRAWN_SCALES)
def test_fresh_batch_norms_scale_by_one(architecture: Architecture, family: str) -> None:
    assert _scales(_plain(family)).abs().mean() < 0.05
    assert (_scales(_repaired(architecture(family))) == 1).all()


def _loss_after_training(model: PreTrainedModel) -> float:
    """Cross-entropy of 8 images, half of them dark and half bright, after 20 steps; chance is 0.69."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(8) % 2
    images = torch.randn(8, 3, 32, 32, generator=generator) + (labels * 2.0 - 1).view(8, 1, 1, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(20):
        loss = nn.functional.cross_entropy(model(pixel_values=images).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def test_fresh_efficientnet_learns_where_transformers_own_stays_at_chance(architecture: Architecture) -> None:
    assert _loss_after_training(_plain("efficientnet")) > 0.6
    assert _loss_after_training(_repaired(architecture("efficientnet"))) < 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_families_with_a_defect_are_changed(family: str) -> None:
    model = _plain(family)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    repairs = apply_repairs(model, freshly_initialised=True)
    assert len(repairs) == (family in WITH_FORGETFUL_STATISTICS) + (family in WITH_DRAWN_SCALES)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert bool(changed) == (family in WITH_DRAWN_SCALES)
    assert apply_repairs(model, freshly_initialised=True) == ()


def test_loaded_scales_are_kept() -> None:
    model = _plain("efficientnet")
    before = model.efficientnet.embeddings.batchnorm.weight.clone()
    apply_repairs(model, freshly_initialised=False)
    assert torch.equal(before, model.efficientnet.embeddings.batchnorm.weight)


def test_scale_that_is_zero_on_purpose_is_kept() -> None:
    model = _plain("resnet")
    last = [module for module in model.modules() if isinstance(module, _BatchNorm)][-1]
    nn.init.zeros_(last.weight)
    apply_repairs(model, freshly_initialised=True)
    assert not last.weight.any()


def test_repaired_momentum_is_exported_with_the_config() -> None:
    model = _plain("efficientnet")
    apply_repairs(model, freshly_initialised=False)
    assert model.config.batch_norm_momentum == 0.1
