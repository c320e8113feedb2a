"""What `TrainConfig` accepts and refuses, and what is said of a wrong value."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import utp.errors
from utp.config import train
from utp.config.problems import describe_problems
from utp.config.train import TrainConfig

CONFIG = TrainConfig(root="fruit", model_flavour="m")


def problems(make: Callable[[], object]) -> tuple[str, ...]:
    with pytest.raises(ValidationError) as caught:
        make()
    return describe_problems(caught.value, TrainConfig)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"root": ""}, "root: string should have at least 1 character, got ''; root is: dataset folder with"),
        ({"root": "  "}, "root: "),
        ({"root": 3}, "root: should be a valid string, got 3; root is: "),
        (
            {"lr": 0},
            "lr: should be greater than 0, got 0; lr is: peak learning rate, reached after warm-up (default 0.0003)",
        ),
        ({"lr": "1e-3"}, "lr: should be a valid number, got '1e-3'"),
        ({"lr": float("nan")}, "lr: should be a finite number, got nan"),
        ({"weight_decay": float("inf")}, "weight_decay: should be a finite number, got inf"),
        ({"batch_size": True}, "batch_size: should be a valid integer, got True"),
        ({"batch_size": 1.0}, "batch_size: should be a valid integer, got 1.0"),
        ({"warmup_ratio": 1}, "warmup_ratio: should be less than 1, got 1"),
        ({"load_pretrained": 1}, "load_pretrained: should be a valid boolean, got 1"),
        ({"autocast_dtype": "float16"}, "autocast_dtype: should be 'bfloat16' or 'float32', got 'float16'"),
        ({"eval_topk": (1, 0)}, "eval_topk[1]: should be greater than or equal to 1, got 0"),
        ({"num_workers": 0, "prefetch_factor": 2}, "prefetch_factor: has no effect with num_workers 0; leave it out"),
        ({"num_workers": 0, "persistent_workers": True}, "persistent_workers: has no effect with num_workers 0"),
        ({"num_workers": 100_000}, "num_workers: is more than 1024, which no machine bears; lower it, got 100000"),
        ({"prefetch_factor": 10**9}, "prefetch_factor: is more than 1024"),
        ({"num_threads": 10**6}, "num_threads: is more than 1024"),
        ({"image_size": 10**6}, "image_size: is more than 8192"),
        ({"cache_edge": 10**6, "decoded_cache": True}, "cache_edge: is more than 8192"),
        ({"max_skipped_steps": 3}, "max_skipped_steps: has no effect with nan_policy 'stop'; leave it out or set"),
        ({"early_stop_min_delta": 0.1}, "early_stop_min_delta: has no effect without early_stop_patience"),
        ({"max_datapoints_per_class": ()}, "max_datapoints_per_class: names no cap; leave it out"),
        (
            {"label_map": {"a": 0, "b": 2}},
            "label_map: must map 2 classes to 0..1, each index once, got {'a': 0, 'b': 2}",
        ),
        ({"model_flavour": "builtin/x", "model_revision": "main"}, "model_revision: has no effect on a builtin model"),
        ({"loss_options": {"a": {"b": [float("nan")]}}}, "loss_options: ['a']['b'][0] is nan; use finite numbers"),
        ({"schedule_options": {"a": object}}, "schedule_options: ['a'] is <class 'object'>; use finite numbers"),
        ({"optimizer_options": {"a": {1: 2}}}, "optimizer_options: ['a'] has the key 1; write keys as strings"),
        ({"bach_size": 3}, "bach_size: is not a field of TrainConfig; did you mean 'batch_size'?"),
        ({"qqqq": 3}, "qqqq: is not a field of TrainConfig; known fields: augmentation, "),
    ],
)
def test_wrong_value_is_answered_with_field_value_and_way_out(changes: dict[str, Any], sentence: str) -> None:
    (found,) = problems(lambda: TrainConfig(**{"root": "fruit", "model_flavour": "m", **changes}))
    assert found.startswith(sentence)
    assert "\n" not in found


def test_replace_checks_like_construction() -> None:
    (found,) = problems(lambda: replace(CONFIG, epochs=0))
    assert found.startswith("epochs: should be greater than or equal to 1, got 0")


def test_each_wrong_field_gets_one_sentence() -> None:
    found = problems(lambda: TrainConfig(model_flavour="m", lrr=1, max_datapoints_per_class={"a": 0}))  # type: ignore[call-arg]
    assert sorted(sentence.partition(":")[0] for sentence in found) == ["lrr", "max_datapoints_per_class['a']", "root"]


def test_prefix_stands_before_every_sentence() -> None:
    with pytest.raises(ValidationError) as caught:
        TrainConfig(lrr=1)  # type: ignore[call-arg]
    assert all(sentence.startswith("p.") for sentence in describe_problems(caught.value, TrainConfig, prefix="p."))


def test_config_can_not_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        CONFIG.lr = 1.0  # type: ignore[misc]


def test_options_are_a_copy_of_what_was_given() -> None:
    options: dict[str, Any] = {"a": [1]}
    config = replace(CONFIG, loss_options=options)
    options["a"].append(2)
    assert config.loss_options == {"a": [1]}


def test_names_of_classes_and_options_keep_their_spaces() -> None:
    config = replace(CONFIG, label_map={"a": 0, " a": 1}, max_datapoints_per_class={"a ": 3}, loss_options={" x": 1})
    assert (config.label_map, config.max_datapoints_per_class) == ({"a": 0, " a": 1}, {"a ": 3})
    assert config.loss_options == {" x": 1}
    assert replace(CONFIG, run_name=" a ").run_name == "a"


def test_topk_is_sorted_and_has_the_first() -> None:
    assert replace(CONFIG, eval_topk=(5, 3, 5)).eval_topk == (1, 3, 5)
    assert replace(CONFIG, eval_topk=()).eval_topk == (1,)


def test_effective_batch_counts_accumulated_steps() -> None:
    assert replace(CONFIG, batch_size=8, grad_accum_steps=4).effective_batch_size == 32


def test_every_field_has_help() -> None:
    properties = TypeAdapter(TrainConfig).json_schema()["properties"]
    assert [field.name for field in fields(TrainConfig) if not properties[field.name].get("description")] == []


def test_defaults_are_those_of_the_fields_in_the_file() -> None:
    """`required` of the schema is what the form asks for: root and model_flavour alone."""
    assert TypeAdapter(TrainConfig).json_schema()["required"] == ["root", "model_flavour"]


def test_config_modules_import_no_library_that_trains() -> None:
    modules = [f"utp.config.{path.stem}" for path in Path(inspect.getfile(train)).parent.glob("[a-z]*.py")]
    code = f"import sys, importlib\nfor name in {modules!r}: importlib.import_module(name)\nprint(sorted(sys.modules))"
    source_root = str(Path(utp.errors.__file__).parents[1])
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, env={"PYTHONPATH": source_root}, capture_output=True, text=True, check=True).stdout
    loaded = set(ast.literal_eval(output))
    assert not loaded & {"torch", "torchvision", "transformers", "numpy", "PIL", "ray", "utp.core"}
    assert len(modules) > 5
