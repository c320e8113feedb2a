"""`--set FIELD=VALUE`."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from utp.config.loading import apply_overrides, dump_config
from utp.config.train import TrainConfig
from utp.errors import ConfigError

CONFIG = TrainConfig(root="fruit", model_flavour="m")


@pytest.mark.parametrize(
    ("assignment", "field", "value"),
    [
        ("lr=1e-3", "lr", 1e-3),
        ("lr=1", "lr", 1.0),
        (" batch_size = 64 ", "batch_size", 64),
        ("load_pretrained=false", "load_pretrained", False),
        ("max_grad_norm=null", "max_grad_norm", None),
        ("run_name=7", "run_name", "7"),
        ("run_name=null", "run_name", None),
        ("run_name='null'", "run_name", "null"),
        ("run_name=true", "run_name", "true"),
        ("model_suffix=1e3", "model_suffix", "1e3"),
        ("model_suffix=", "model_suffix", ""),
        ("augmentation=none", "augmentation", "none"),
        ("root=photos #2: [new]", "root", "photos #2: [new]"),
        ('root="quoted"', "root", "quoted"),
        ("root=a=b", "root", "a=b"),
        ("device=cpu", "device", "cpu"),
        ("eval_topk=[1, 3]", "eval_topk", (1, 3)),
        ("plugins=[my.module]", "plugins", ("my.module",)),
        ("max_datapoints_per_class=5", "max_datapoints_per_class", 5),
        ("max_datapoints_per_class={cat: 5}", "max_datapoints_per_class", {"cat": 5}),
        ("loss_options.label_smoothing=0.1", "loss_options", {"label_smoothing": 0.1}),
        ("loss_options={a: 1}", "loss_options", {"a": 1}),
        ("max_datapoints_per_class.my.class=5", "max_datapoints_per_class", {"my.class": 5}),
    ],
)
def test_value_is_read_for_its_field(assignment: str, field: str, value: Any) -> None:
    changed = apply_overrides(CONFIG, [assignment])
    assert getattr(changed, field) == value
    assert type(getattr(changed, field)) is type(value)
    assert replace(changed, **{field: getattr(CONFIG, field)}) == CONFIG


def test_later_assignments_win_and_keys_add_up() -> None:
    config = replace(CONFIG, loss_options={"a": 1, "b": 2})
    assert apply_overrides(config, ["lr=1", "lr=2", "loss_options.b=3", "loss_options.c=x"]).loss_options == {
        "a": 1,
        "b": 3,
        "c": "x",
    }
    assert apply_overrides(config, ["lr=1", "lr=2"]).lr == 2
    assert apply_overrides(config, ["loss_options.a=9", "loss_options={}"]).loss_options == {}
    assert config.loss_options == {"a": 1, "b": 2}


def test_no_assignment_changes_nothing() -> None:
    assert apply_overrides(CONFIG, []) == CONFIG


@pytest.mark.parametrize("field", [field.name for field in fields(TrainConfig)])
def test_every_field_can_be_set_to_the_text_of_its_value(field: str) -> None:
    value = dump_config(CONFIG)[field]
    text = value if isinstance(value, str) else "null" if value is None else str(value)
    assert apply_overrides(CONFIG, [f"{field}={text}"]) == CONFIG


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("lr", r"'lr' has no `=`; write FIELD=VALUE"),
        ("", r"'' has no `=`"),
        ("=3", "is not a field of TrainConfig"),
        ("lrr=1", r"lrr: is not a field of TrainConfig; did you mean 'lr'\?"),
        ("loss_option.a=1", r"loss_option: is not a field of TrainConfig; did you mean 'loss_options'\?"),
        ("lr.a=1", "lr.a: lr has no keys; write lr=VALUE"),
        ("loss_options.=1", "loss_options.: loss_options has no keys"),
        ("lr=fast", "lr: should be a valid number, got 'fast'; lr is: peak learning rate"),
        ("lr=nan", "lr: should be a valid number"),
        ("lr=.nan", "lr: '.nan' is not YAML"),
        ("lr=", "lr: should be a valid number, got None"),
        ("batch_size=[1", "batch_size: .* is not YAML .*; quote it"),
        ("loss_options.a=[1", r"loss_options\.a: .* is not YAML"),
        ("batch_size=1.5", "batch_size: should be a valid integer, got 1.5"),
        ("batch_size='8'", "batch_size: should be a valid integer, got '8'"),
        ("device=tpu", "device: should be 'auto', 'cpu' or 'cuda', got 'tpu'"),
        ("num_workers=" + "9" * 5000, "num_workers: .* is not YAML"),
    ],
)
def test_assignment_that_is_wrong_is_refused_with_the_way_out(assignment: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        apply_overrides(CONFIG, [assignment])
    assert caught.value.source == "--set"
