"""Parts by name: what is declared, what is refused, and that every declared part trains."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from tests.core.test_loop import CONFIG, train
from tests.support.pixel_task import PixelTask

from utp.config.train import TrainConfig
from utp.core.augmentations.entries import AUGMENTATIONS
from utp.core.catalog import REGISTRIES, check_config, load_plugins
from utp.core.data.transforms import Preprocessing
from utp.core.losses.entries import LOSSES
from utp.core.optimizers.entries import OPTIMIZERS, AdamOptions
from utp.core.registry import Registry
from utp.core.schedules.entries import SCHEDULES
from utp.errors import ConfigError, UnknownName


def test_name_taken_twice_is_refused() -> None:
    registry = Registry("loss")
    registry.register("a", "module:one", doc="One.")
    with pytest.raises(ValueError, match="loss 'a' is registered already, as module:one"):
        registry.register("a", "module:two", doc="Two.")


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="optimizer 'adan' is not registered; known: adam, adamw, lamb, lion, nadamw"):
        OPTIMIZERS.get("adan")


def test_wrong_option_names_field_option_and_value() -> None:
    with pytest.raises(ConfigError, match=r"optimizer_options.eps: should be greater than 0, got -1"):
        OPTIMIZERS.get("adam").check_options({"eps": -1}, "optimizer_options")


def test_options_from_json_are_taken() -> None:
    options = OPTIMIZERS.get("adam").check_options({"betas": [0.8, 0.9]}, "optimizer_options")
    assert options == AdamOptions(betas=(0.8, 0.9))


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_entry_has_a_line_of_help_and_documented_options(kind: str) -> None:
    for name in REGISTRIES[kind].names():
        entry = REGISTRIES[kind].get(name)
        assert entry.doc.endswith("."), name
        if entry.options is not None:
            undocumented = [
                f.name for f in fields(entry.options) if not entry.options.__pydantic_fields__[f.name].description
            ]
            assert undocumented == [], name


@pytest.mark.parametrize("kind", REGISTRIES)
def test_the_code_of_every_entry_is_there(kind: str) -> None:
    for name in REGISTRIES[kind].names():
        assert callable(REGISTRIES[kind].get(name).load()), name


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_every_optimizer_lowers_the_loss(tmp_path: Path, name: str) -> None:
    config = replace(CONFIG, optimizer=name, epochs=3, lr={"sgd": 0.1, "lamb": 0.05, "lion": 0.003}.get(name, 0.01))
    _, reporter, _ = train(tmp_path, config, PixelTask(dropout=0.0))
    losses = [row["train_loss"] for row in reporter.rows if row["kind"] == "epoch"]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_every_schedule_trains(tmp_path: Path, name: str) -> None:
    _, reporter, _ = train(tmp_path, replace(CONFIG, schedule=name, epochs=1, log_interval_steps=1))
    rates = [row["lr"] for row in reporter.rows if row["kind"] == "train"]
    assert all(0 < rate <= CONFIG.lr for rate in rates)


@pytest.mark.parametrize("name", LOSSES.names())
def test_every_loss_gives_a_number_per_sample_and_a_gradient(name: str) -> None:
    entry = LOSSES.get(name)
    loss = entry.load()(entry.check_options({}, "loss_options"), is_training=True)
    logits = torch.randn(4, 3, dtype=torch.bfloat16, requires_grad=True)
    losses = loss(logits, torch.tensor([0, 1, 2, 0]))
    assert losses.shape == (4,)
    assert losses.dtype == torch.float32
    losses.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert (losses > 0).all()


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_every_augmentation_gives_bytes_of_the_models_size(name: str) -> None:
    preprocessing = Preprocessing(resize=40, crop=(32, 32), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    entry = AUGMENTATIONS.get(name)
    augment = entry.load()(preprocessing, entry.check_options({}, "augmentation_options"))
    image = augment(torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8))
    assert (image.shape, image.dtype) == ((3, 32, 32), torch.uint8)


def test_all_problems_of_a_config_are_told_at_once() -> None:
    config = TrainConfig(root="x", model_flavour="builtin/nothing", loss="hinge", optimizer="adan", schedule="stairs")
    with pytest.raises(ConfigError) as caught:
        check_config(config)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "loss",
        "optimizer",
        "schedule",
        "model_flavour",
    ]


def test_plugin_registers_a_part_that_the_config_may_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_losses.py").write_text(
        "from utp.core.losses.entries import LOSSES\n"
        "LOSSES.register('mine', 'utp.core.losses.cross_entropy:build', doc='Mine.')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    config = TrainConfig(root="x", model_flavour="builtin/resnet-micro", loss="mine", plugins=("my_losses",))
    with pytest.raises(ConfigError):
        check_config(config)
    load_plugins(config)
    check_config(config)


def test_plugin_that_raises_is_named_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_plugin.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    config = TrainConfig(root="x", model_flavour="x", plugins=("broken_plugin",))
    with pytest.raises(ConfigError, match=r"plugins: 'broken_plugin' can't be imported .ZeroDivisionError"):
        load_plugins(config)


@pytest.mark.process
def test_catalogue_lists_all_parts_without_torch() -> None:
    program = (
        "import sys; from utp.core.catalog import REGISTRIES\n"
        "assert all(registry.names() for registry in REGISTRIES.values())\n"
        "print([m for m in ('torch', 'torchvision', 'transformers', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
