from __future__ import annotations

import json
from pathlib import Path

import huggingface_hub.constants
import pytest

from utp.core.models.architecture import load_architecture
from utp.core.models.build import build_classifier
from utp.core.models.source import ModelSource, resolve_source
from utp.errors import ModelError
from utp.settings import Settings

STANDALONE = Settings(MODELS_DIR=None)
RESNET = {"model_type": "resnet", "hidden_sizes": [8, 8], "depths": [1, 1], "embedding_size": 8, "layer_type": "basic"}


def _local(directory: Path, config: dict[str, object]) -> ModelSource:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config))
    return resolve_source(str(directory), None, STANDALONE)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set HF_HUB_OFFLINE and an empty HF_HUB_CACHE, both of which are read when the Hub's library is imported."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_hub_model_that_is_not_cached_is_refused_offline_with_the_ways_out(offline: Path) -> None:
    source = resolve_source("owner/absent", None, STANDALONE)
    with pytest.raises(ModelError, match=r"HF_HUB_OFFLINE=1 .*local directory .*MODELS_DIR.*builtin") as caught:
        load_architecture(source)
    assert str(caught.value).startswith("model_flavour 'owner/absent': can't be had from the Hub")


def _cache(hub: Path, repository: str, config: dict[str, object]) -> None:
    folder = hub / f"models--{repository.replace('/', '--')}"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "snapshots" / commit / "config.json").write_text(json.dumps(config))


def test_cached_hub_model_is_built_offline(offline: Path) -> None:
    _cache(offline, "owner/net", RESNET)
    source = resolve_source("owner/net", None, STANDALONE)
    model = build_classifier(source, ("cat", "dog"), load_pretrained=False, freeze_backbone=False, seed=0)
    assert model.config.num_labels == 2


def test_hub_model_without_safetensors_is_refused(offline: Path) -> None:
    _cache(offline, "owner/net", RESNET)
    with pytest.raises(ModelError, match="can't be had from the Hub"):
        build_classifier(
            resolve_source("owner/net", None, STANDALONE), ("cat",), load_pretrained=True, freeze_backbone=False, seed=0
        )


def test_remote_code_on_the_hub_is_refused(offline: Path) -> None:
    _cache(offline, "owner/net", RESNET | {"auto_map": {"AutoModelForImageClassification": "evil.Net"}})
    with pytest.raises(ModelError, match="auto_map"):
        load_architecture(resolve_source("owner/net", None, STANDALONE))


@pytest.mark.parametrize("model_type", ["bert", "no-such-type", None])
def test_model_without_a_classification_head_is_refused_with_the_known_types(
    tmp_path: Path, model_type: str | None
) -> None:
    with pytest.raises(ModelError, match=rf"model type {model_type!r} has no image-classification head.*resnet.*vit"):
        load_architecture(_local(tmp_path, {"model_type": model_type}))


@pytest.mark.parametrize("model_type", ["imagegpt", "shieldgemma2", "siglip2"])
def test_classifier_that_does_not_read_square_images_is_refused(tmp_path: Path, model_type: str) -> None:
    with pytest.raises(ModelError, match=model_type):
        load_architecture(_local(tmp_path, {"model_type": model_type}))


@pytest.mark.parametrize("change", [{"depths": "many"}, {"hidden_sizes": None}, {"quantization_config": {"bits": 4}}])
def test_config_that_can_not_be_trained_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        build_classifier(
            _local(tmp_path, RESNET | change), ("cat",), load_pretrained=False, freeze_backbone=False, seed=0
        )


def test_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="natten"):
        build_classifier(
            _local(tmp_path, {"model_type": "dinat"}), ("cat",), load_pretrained=False, freeze_backbone=False, seed=0
        )


def test_family_with_two_classifiers_needs_no_architecture_in_its_config(tmp_path: Path) -> None:
    assert load_architecture(_local(tmp_path, {"model_type": "deit"})).architectures == ["DeiTForImageClassification"]
