from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.core.models.families import SIZE
from torch.nn.modules.batchnorm import _BatchNorm
from transformers import AutoModelForImageClassification, PreTrainedModel, ResNetModel

from utp.core.models.build import build_classifier
from utp.core.models.head import head_parameters
from utp.core.models.source import ModelSource, resolve_source
from utp.errors import ModelError
from utp.settings import Settings

PLATFORM = Path(__file__).resolve().parents[3] / "platform"
CLASSES = ("cat", "dog", "eel")
Architecture = Callable[..., ModelSource]
RealData = Callable[[str], Path]


def _local(directory: Path) -> ModelSource:
    return resolve_source(str(directory), None, Settings(MODELS_DIR=None))


def _fresh(source: ModelSource, classes: tuple[str, ...] = CLASSES, seed: int = 0) -> PreTrainedModel:
    return build_classifier(source, classes, load_pretrained=False, freeze_backbone=False, seed=seed)


def _loaded(source: ModelSource, classes: tuple[str, ...] = CLASSES, seed: int = 0) -> PreTrainedModel:
    return build_classifier(source, classes, load_pretrained=True, freeze_backbone=False, seed=seed)


def _digest(model: PreTrainedModel) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture
def saved(architecture: Architecture, tmp_path: Path) -> Callable[[str], ModelSource]:
    """Return a function that saves a random classifier of CLASSES and gives it as a source with weights."""

    def save(family: str) -> ModelSource:
        _fresh(architecture(family), seed=7).save_pretrained(tmp_path / f"{family}-weights")
        return _local(tmp_path / f"{family}-weights")

    return save


def test_labels_are_in_the_config(architecture: Architecture) -> None:
    config = _fresh(architecture("resnet", problem_type="multi_label_classification")).config
    assert config.id2label == dict(enumerate(CLASSES))
    assert config.label2id == {"cat": 0, "dog": 1, "eel": 2}
    assert config.num_labels == len(CLASSES)
    assert config.problem_type is None


def test_weights_are_float32_whatever_was_saved(saved: Callable[[str], ModelSource]) -> None:
    source = saved("resnet")
    AutoModelForImageClassification.from_pretrained(source.location).bfloat16().save_pretrained(source.location)
    for model in (_loaded(source), _fresh(source)):
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("family", ["vit", "efficientnet", "swiftformer"])
def test_fresh_weights_are_a_function_of_the_seed_alone(architecture: Architecture, family: str) -> None:
    source = architecture(family)
    first = _digest(_fresh(source))
    torch.manual_seed(99)
    torch.rand(17)
    assert _digest(_fresh(source)) == first
    assert _digest(_fresh(source, seed=1)) != first


@pytest.mark.process
def test_fresh_weights_are_the_same_in_another_process() -> None:
    source = resolve_source("builtin/resnet-micro", None, Settings())
    code = (
        "import hashlib, torch\n"
        "torch.rand(5)\n"
        "from utp.core.models.build import build_classifier\n"
        "from utp.core.models.source import resolve_source\n"
        "from utp.settings import Settings\n"
        "source = resolve_source('builtin/resnet-micro', None, Settings())\n"
        f"model = build_classifier(source, {CLASSES!r}, load_pretrained=False, freeze_backbone=False, seed=0)\n"
        "digest = hashlib.sha256()\n"
        "for name, tensor in sorted(model.state_dict().items()):\n"
        "    digest.update(name.encode() + tensor.numpy().tobytes())\n"
        "print(digest.hexdigest())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PLATFORM, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == _digest(_fresh(source))


@pytest.mark.parametrize("family", ["resnet", "vit", "levit", "siglip", "swiftformer", "efficientnet", "mobilevit"])
def test_head_is_the_same_whether_or_not_the_backbone_is_pretrained(
    saved: Callable[[str], ModelSource], family: str
) -> None:
    source = saved(family)
    others = ("elm", "fir", "gum", "ivy")
    loaded, fresh = _loaded(source, others, seed=3), _fresh(source, others, seed=3)
    for name, parameter in head_parameters(loaded).items():
        if parameter.shape[0] == len(others):
            assert torch.equal(parameter, fresh.get_parameter(name)), name


@pytest.mark.parametrize("family", ["resnet", "vit", "levit", "siglip", "poolformer", "mobilenet_v2"])
def test_new_classes_change_the_label_layer_alone(saved: Callable[[str], ModelSource], family: str) -> None:
    source = saved(family)
    before = AutoModelForImageClassification.from_pretrained(source.location).state_dict()
    after = _loaded(source, ("dog", "cat", "eel")).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(after[name].shape[0] == len(CLASSES) or name.endswith("bias") for name in changed)
    assert not changed & {name for name in before if "norm" in name}


def test_head_of_the_same_classes_is_kept(saved: Callable[[str], ModelSource]) -> None:
    source = saved("vit")
    plain = AutoModelForImageClassification.from_pretrained(source.location).eval()
    ours = _loaded(source).eval()
    images = torch.rand(2, 3, SIZE, SIZE)
    with torch.no_grad():
        assert torch.equal(plain(pixel_values=images).logits, ours(pixel_values=images).logits)


def test_backbone_without_a_head_gets_a_fresh_one(architecture: Architecture, tmp_path: Path) -> None:
    whole = _fresh(architecture("resnet"), seed=7)
    directory = tmp_path / "backbone"
    backbone = ResNetModel(whole.config)
    backbone.load_state_dict(whole.resnet.state_dict())
    backbone.save_pretrained(directory)
    model = _loaded(_local(directory))
    assert torch.equal(model.resnet.embedder.embedder.convolution.weight, backbone.embedder.embedder.convolution.weight)
    fresh_head = head_parameters(_fresh(architecture("resnet")))
    assert all(torch.equal(parameter, fresh_head[name]) for name, parameter in head_parameters(model).items())


def test_missing_backbone_weights_are_refused_by_name(saved: Callable[[str], ModelSource]) -> None:
    source = saved("resnet")
    path = Path(source.location) / "model.safetensors"
    weights = load_file(path)
    lost = [name for name in weights if name.endswith(("convolution.weight", "running_var")) and "stages.1" in name]
    save_file({name: tensor for name, tensor in weights.items() if name not in lost}, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=rf"{len(lost)} of the backbone's weights .*running_var is missing"):
        _loaded(source)


def test_backbone_weights_of_another_shape_are_refused_with_both_shapes(saved: Callable[[str], ModelSource]) -> None:
    source = saved("resnet")
    path = Path(source.location) / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"hidden_sizes": [8, 24]}))
    with pytest.raises(ModelError, match=r"is \(16, 8, 3, 3\), not \(24, 8, 3, 3\)"):
        _loaded(source)


def test_weights_of_another_architecture_are_refused(saved: Callable[[str], ModelSource]) -> None:
    source, other = saved("resnet"), saved("vit")
    weights = (Path(other.location) / "model.safetensors").read_bytes()
    (Path(source.location) / "model.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match=r"backbone's weights .* and \d+ more\. Use the config\.json that belongs"):
        _loaded(source)


@pytest.mark.parametrize("size", [0, 100, 5_000])
def test_truncated_weights_are_refused(saved: Callable[[str], ModelSource], size: int) -> None:
    source = saved("resnet")
    path = Path(source.location) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelError, match="its weights can't be read"):
        _loaded(source)


def test_shard_that_is_not_there_is_refused(saved: Callable[[str], ModelSource]) -> None:
    source = saved("resnet")
    model = AutoModelForImageClassification.from_pretrained(source.location)
    (Path(source.location) / "model.safetensors").unlink()
    model.save_pretrained(source.location, max_shard_size="10KB")
    next(Path(source.location).glob("model-00002*")).unlink()
    with pytest.raises(ModelError):
        _loaded(_local(Path(source.location)))


def test_loading_writes_nothing_to_the_terminal(
    saved: Callable[[str], ModelSource], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    source = saved("resnet")
    capfd.readouterr()
    _loaded(source, ("elm", "fir"))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_repairs_are_in_the_log(architecture: Architecture, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        _fresh(architecture("efficientnet"))
    assert [record.name for record in caplog.records] == ["utp.core.models.build"] * 2
    assert "momentum" in caplog.text


def test_frozen_model_is_frozen_when_built(saved: Callable[[str], ModelSource]) -> None:
    model = build_classifier(saved("resnet"), CLASSES, load_pretrained=True, freeze_backbone=True, seed=0)
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {"classifier.1.weight", "classifier.1.bias"}


def test_pretrained_builtin_is_refused() -> None:
    with pytest.raises(ModelError, match="architecture without weights"):
        _loaded(resolve_source("builtin/resnet-micro", None, Settings()))


@pytest.mark.data
def test_real_lite0_keeps_its_1000_labels_and_logits(real_data: RealData) -> None:
    directory = real_data("efficientnet-lite0")
    plain = AutoModelForImageClassification.from_pretrained(directory).eval()
    classes = tuple(plain.config.id2label.values())
    ours = _loaded(_local(directory), classes).eval()
    images = torch.rand(2, 3, 224, 224) * 2 - 1
    with torch.no_grad():
        assert torch.equal(plain(pixel_values=images).logits, ours(pixel_values=images).logits)


@pytest.mark.data
def test_real_lite0_loads_every_backbone_weight_under_a_fresh_head(real_data: RealData) -> None:
    directory = real_data("efficientnet-lite0")
    classes = tuple(f"fruit {index}" for index in range(19))
    model = _loaded(_local(directory), classes)
    weights = load_file(directory / "model.safetensors")
    ours = model.state_dict()
    head = set(head_parameters(model))
    assert head == {"classifier.weight", "classifier.bias"}
    assert all(torch.equal(ours[name], tensor) for name, tensor in weights.items() if name not in head)
    assert not set(ours) - set(weights) - {name for name in ours if name.endswith("num_batches_tracked")}
    assert ours["classifier.weight"].shape == (19, 1280)


@pytest.mark.data
def test_real_mobilenet_backbone_loads_repaired_under_a_fresh_head(real_data: RealData) -> None:
    directory = real_data("mobilenetv2-backbone")
    model = _loaded(_local(directory), CLASSES)
    weights = load_file(directory / "model.safetensors")
    ours = model.state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in weights.items())
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    assert {norm.momentum for norm in norms} == {0.1}
    assert model(pixel_values=torch.zeros(1, 3, 224, 224)).logits.shape == (1, 3)
