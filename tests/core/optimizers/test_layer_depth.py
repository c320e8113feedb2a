"""Learning rates that fall with depth: over the families' own module trees."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.core.models.families import FAMILIES
from torch import nn
from transformers import PreTrainedModel

from utp.config.train import TrainConfig
from utp.core.models.build import build_classifier
from utp.core.models.source import ModelSource, resolve_source
from utp.core.optimizers.build import build_optimizer, set_learning_rate
from utp.core.optimizers.layer_depth import layer_depths
from utp.core.optimizers.param_groups import split_parameters
from utp.errors import ConfigError
from utp.settings import Settings


@pytest.fixture
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., PreTrainedModel]:
    def build(family: str, **changes: object) -> PreTrainedModel:
        directory = tmp_path_factory.mktemp(family)
        config = FAMILIES[family]()
        for name, value in changes.items():
            setattr(config, name, value)
        config.save_pretrained(directory)
        source: ModelSource = resolve_source(str(directory), None, Settings(MODELS_DIR=None))
        return build_classifier(source, ["a", "b"], load_pretrained=False, freeze_backbone=False, seed=0)

    return build


@pytest.mark.parametrize("family", FAMILIES)
def test_every_trainable_parameter_is_in_one_group_and_the_head_learns_at_the_full_rate(
    build: Callable[..., PreTrainedModel], family: str
) -> None:
    model = build(family)
    groups = split_parameters(model, 0.1, 0.5)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    trainable = [id(parameter) for parameter in model.parameters() if parameter.requires_grad]
    assert sorted(grouped) == sorted(trainable)
    depths = layer_depths(model)
    classifiers = {depth for name, depth in depths.items() if not name.startswith(f"{model.base_model_prefix}.")}
    assert max(depths.values()) in classifiers
    assert sorted(set(depths.values())) == list(range(max(depths.values()) + 1)), "no depth is left out"
    assert {group["lr_scale"] for group in groups} == {0.5**step for step in range(max(depths.values()) + 1)}


IN_ORDER = {
    "vit": ({}, ["vit.embeddings.", "vit.layers.0.", "vit.layers.1.", "vit.layernorm.", "classifier."]),
    "swin": (
        {"depths": [2, 1]},
        ["swin.embeddings.", "layers.0.blocks.0.", "layers.0.blocks.1.", "layers.1.blocks.0.", "classifier."],
    ),
    "convnext": (
        {"depths": [2, 1]},
        ["embeddings.", "stages.0.layers.0.", "stages.0.layers.1.", "stages.1.downsampling_layer.", "classifier."],
    ),
    "resnet": (
        {"depths": [2, 1]},
        ["embedder.", "stages.0.layers.0.", "stages.0.layers.1.", "stages.1.layers.0.", "classifier."],
    ),
    "poolformer": (
        {},
        ["patch_embeddings.0.", "block.0.0.", "patch_embeddings.1.", "patch_embeddings.2.", "classifier."],
    ),
}


@pytest.mark.parametrize("family", IN_ORDER)
def test_rates_rise_from_the_embeddings_to_the_head(build: Callable[..., PreTrainedModel], family: str) -> None:
    changes, parts = IN_ORDER[family]
    depths = layer_depths(build(family, **changes))
    found = [{depth for name, depth in depths.items() if part in f".{name}" or name.startswith(part)} for part in parts]
    assert all(len(of_part) == 1 for of_part in found[1:-1]), "a block has one depth"
    lowest = [min(of_part) for of_part in found]
    assert lowest[0] == 0
    assert lowest == sorted(lowest)
    assert lowest[1] > 0
    assert max(found[-1]) == max(depths.values())


def test_learning_rate_of_a_group_is_that_of_the_run_times_its_scale(build: Callable[..., PreTrainedModel]) -> None:
    config = TrainConfig(root="x", model_flavour="x", layer_decay=0.5)
    optimizer = build_optimizer(config, build("vit"))
    set_learning_rate(optimizer, 0.8)
    assert {round(group["lr"], 6) for group in optimizer.param_groups} == {0.8, 0.4, 0.2, 0.1}


def test_layer_decay_of_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(ConfigError, match="layer_decay: Sequential has no list of blocks to count; leave it out"):
        split_parameters(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), 0.1, 0.5)
