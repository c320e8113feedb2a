"""Weight decay goes where it belongs, and every trainable parameter is in exactly one group."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from utp.core.models.build import build_classifier
from utp.core.models.entries import MODEL_PRESETS
from utp.core.models.source import resolve_source
from utp.core.optimizers.param_groups import split_parameters
from utp.settings import Settings


@pytest.mark.parametrize("preset", ["resnet-micro", "vit-micro"])
@pytest.mark.parametrize("freeze_backbone", [False, True])
def test_every_trainable_parameter_is_in_exactly_one_group(preset: str, freeze_backbone: bool) -> None:
    assert preset in MODEL_PRESETS.names()
    source = resolve_source(f"builtin/{preset}", None, Settings())
    model = build_classifier(source, ["a", "b"], load_pretrained=False, freeze_backbone=freeze_backbone, seed=0)
    grouped = [id(parameter) for group in split_parameters(model, 0.1) for parameter in group["params"]]
    trainable = [id(parameter) for parameter in model.parameters() if parameter.requires_grad]
    assert sorted(grouped) == sorted(trainable)
    assert len(set(grouped)) == len(grouped)


def test_biases_norms_and_position_embeddings_do_not_decay() -> None:
    model = nn.ModuleDict({"linear": nn.Linear(4, 4), "norm": nn.LayerNorm(4), "conv": nn.Conv2d(3, 4, 1)})
    model.register_parameter("cls_token", nn.Parameter(torch.zeros(1, 1, 4)))
    model.register_parameter("position_embeddings", nn.Parameter(torch.zeros(1, 5, 4)))
    decay, no_decay = split_parameters(model, 0.1)
    assert (decay["weight_decay"], no_decay["weight_decay"]) == (0.1, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert {names[id(parameter)] for parameter in decay["params"]} == {"linear.weight", "conv.weight"}


def test_parameter_that_two_layers_share_is_in_one_group_once() -> None:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    groups = split_parameters(nn.Sequential(first, second), 0.1)
    assert [len(group["params"]) for group in groups] == [1, 2]
