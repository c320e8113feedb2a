"""Config files in YAML and JSON, round trips, hashes, and the config saved with a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utp.config.loading import config_hash, dump_config, load_configs, parse_config, read_config
from utp.config.train import TrainConfig
from utp.errors import ConfigError

CONFIG = TrainConfig(root="fruit", model_flavour="m")
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write_file


def test_mapping_is_one_config(write: Write) -> None:
    path = write("digits.yaml", "root: fruit\nmodel_flavour: m\nlr: 1e-3\neval_topk: [3, 1]\n")
    (loaded,) = load_configs(str(path))
    assert loaded.config == replace(CONFIG, lr=1e-3, eval_topk=(1, 3))
    assert (loaded.name, loaded.source) == ("digits", str(path))
    assert load_configs(f"{path}:digits")[0].config == loaded.config


def test_json_is_read_like_yaml(write: Write) -> None:
    path = write("digits.json", json.dumps({"root": "fruit", "model_flavour": "m", "lr": 1}))
    assert load_configs(str(path))[0].config == replace(CONFIG, lr=1.0)


SEVERAL = """
configs:
  small: &small {root: fruit, model_flavour: m}
  large: {<<: *small, model_flavour: n}
  twin: *small
"""


def test_named_configs_are_loaded_by_name_and_all_each_once(write: Write) -> None:
    path = write("several.yml", SEVERAL)
    assert [one.config.model_flavour for one in load_configs(f"{path}:large")] == ["n"]
    assert [(one.name, one.source) for one in load_configs(f"{path}:all")] == [
        ("small", f"{path}:small"),
        ("large", f"{path}:large"),
    ]


def test_source_of_a_config_loads_it_alone(write: Write) -> None:
    path = write("list.yaml", "- {root: a, model_flavour: m}\n- {root: b, model_flavour: m}\n")
    for one in load_configs(f"{path}:all"):
        assert load_configs(one.source) == [one]


def test_several_configs_without_a_name_are_an_error_that_lists_them(write: Write) -> None:
    path = write("several.yaml", SEVERAL)
    with pytest.raises(ConfigError, match=r"holds 3 configs: small, large, twin; write .*:NAME, or .*:all"):
        load_configs(str(path))


def test_unknown_name_is_an_error_with_the_close_one_and_the_list(write: Write) -> None:
    path = write("several.yaml", SEVERAL)
    with pytest.raises(ConfigError, match=r"no config 'larg'; did you mean 'large'\? it holds: small, large, twin"):
        load_configs(f"{path}:larg")
    with pytest.raises(ConfigError, match=r"no config 'zzz'; it holds: small, large, twin"):
        load_configs(f"{path}:zzz")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.yaml", "", "holds no config; write"),
        ("a.yaml", "[]", "holds no config; write"),
        ("a.yaml", "configs: {}", "holds no config; write"),
        ("a.yaml", "just text", r"a: is 'just text', not a config"),
        ("a.yaml", "- root: x\n  model_flavour: m\n- 7", r"a\[1\]: is 7, not a config"),
        ("a.yaml", "configs: [1]", "configs: is not a mapping"),
        ("a.yaml", "configs: {a: {root: x, model_flavour: m}}\nlr: 1", "lr: stands beside `configs`"),
        ("a.yaml", "root: x\nlr: 1\nroot: y", "the key 'root' stands there twice"),
        ("a.yaml", "root: x\nlr: .nan", r"a\.yaml:2: \.nan is not a finite number"),
        ("a.yaml", "root: x\nlr: -.inf", r"a\.yaml:2: -\.inf is not a finite number"),
        ("a.yaml", "root: x\nlr: 1e999", r"a\.yaml:2: 1e999 is not a finite number"),
        ("a.yaml", "root: [x", r"a\.yaml:1: .*correct the YAML"),
        ("a.yaml", "root: x\n\tlr: 1", r"a\.yaml:2: .*correct the YAML"),
        ("a.yaml", "root: !!python/object:os.system x", "could not determine a constructor"),
        ("a.yaml", "[root]: x", "a key has to be text"),
        ("a.yaml", "root: &a [*a]", "recursive"),
        ("a.yaml", "--- {root: x}\n--- {root: y}", "single document"),
        ("a.yaml", "root: \x01", "correct the file"),
        ("a.yaml", "root: " + "[" * 500, "correct the"),
        ("a.yaml", "root: x\nmodel_flavour: m\nseed: " + "9" * 5000, "correct the file"),
        ("a.json", '{"root": 1, "root": 2}', "the key 'root' stands there twice"),
        ("a.json", '{"lr": NaN}', "NaN is not a finite number"),
        ("a.json", '{"lr": -Infinity}', "-Infinity is not a finite number"),
        ("a.json", '{"lr": 1e999}', "1e999 is not a finite number"),
        ("a.json", '{\n"lr": }', r"a\.json:2: .*correct the JSON"),
        ("a.json", "[" * 100_000, "correct the file"),
    ],
)
def test_file_that_is_wrong_is_refused_by_file_and_place(write: Write, name: str, text: str, problem: str) -> None:
    path = write(name, text)
    with pytest.raises(ConfigError, match=problem) as caught:
        load_configs(str(path))
    assert str(caught.value).startswith(str(path))


def test_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"root: \xff")
    with pytest.raises(ConfigError, match=r"a\.yaml: is not UTF-8 text"):
        load_configs(str(tmp_path / "a.yaml"))


def test_byte_order_mark_is_no_part_of_the_first_field(write: Write) -> None:
    assert load_configs(str(write("a.json", '\ufeff{"root": "fruit", "model_flavour": "m"}')))[0].config == CONFIG


def test_yaml_text_stays_text_where_yaml_1_1_would_change_it(write: Write) -> None:
    text = """
root: no
model_flavour: m
run_name: 2024-01-02
model_suffix: 12:30:00
loss_options: {a: on, b: 010, c: 0x10, d: 1_000, e: .5, f: 1e3, g: ~, h: True, i: "7", j: 0o17, k: +3}
label_map: {no: 0, 7: 1, ~: 2, 01: 3}
"""
    config = load_configs(str(write("a.yaml", text)))[0].config
    assert (config.root, config.run_name, config.model_suffix) == ("no", "2024-01-02", "12:30:00")
    expected: dict[str, Any] = {"a": "on", "b": 10, "c": 16, "d": "1_000", "e": 0.5, "f": 1000.0, "g": None}
    expected |= {"h": True, "i": "7", "j": 15, "k": 3}
    assert config.loss_options == expected
    assert [type(value) for value in config.loss_options.values()] == [type(value) for value in expected.values()]
    assert config.label_map == {"no": 0, "7": 1, "~": 2, "01": 3}


def test_anchor_inside_a_merge_is_not_taken_for_a_key_that_stands_twice(write: Write) -> None:
    text = "- &b {<<: &a {root: a, model_flavour: m}, root: b}\n- {<<: *b, root: c}\n- *b\n- *a\n"
    roots = [one.config.root for one in load_configs(f"{write('a.yaml', text)}:all")]
    assert roots == ["b", "c", "a"]


def test_wrong_field_is_named_with_file_config_value_and_way_out(write: Write) -> None:
    path = write("several.yaml", "configs:\n  a: {root: x, model_flavour: m, lrr: 1, batch_size: -3}\n  b: {}\n")
    with pytest.raises(ConfigError, match=r"several\.yaml:a: 2 problems") as caught:
        load_configs(f"{path}:a")
    lines = str(caught.value)
    assert "lrr: is not a field of TrainConfig; did you mean 'lr'?" in lines
    assert "batch_size: should be greater than or equal to 1, got -3; batch_size is: images per micro-step" in lines
    with pytest.raises(ConfigError, match="root: is missing"):
        load_configs(f"{path}:b")


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("nothing.yaml", "nothing.yaml: does not exist; seen from "),
        ("nothing.py:all", "nothing.py: does not exist"),
        ("folder.py", "folder.py: is a folder"),
        ("a.toml", r"'a\.toml' is not a config file; name a \.py"),
        ("a", "is not a config file"),
        ("", "is not a config file"),
        ("a.yaml:", "the name after `:` is empty"),
    ],
)
def test_target_that_names_no_file_is_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch, target: str, problem: str
) -> None:
    path = write("a.yaml", "root: fruit\nmodel_flavour: m")
    (path.parent / "folder.py").mkdir()
    monkeypatch.chdir(path.parent)
    with pytest.raises(ConfigError, match=problem):
        load_configs(target)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
CONFIGS = st.builds(
    TrainConfig,
    root=st.text(min_size=1).filter(str.strip),
    model_flavour=st.just("google/vit"),
    lr=st.floats(1e-300, 1e300),
    loss_options=st.dictionaries(st.text(), JSON, max_size=3),
    eval_topk=st.lists(st.integers(1, 10**6), max_size=4).map(tuple),
    max_datapoints_per_class=st.none()
    | st.integers(1, 99)
    | st.lists(st.integers(1, 99), min_size=1).map(tuple)
    | st.dictionaries(st.text(), st.integers(1, 99), min_size=1),
    label_map=st.none() | st.lists(st.text(), unique=True).map(lambda names: {n: i for i, n in enumerate(names)}),
    run_name=st.none() | st.text(),
    plugins=st.lists(st.text(), max_size=2).map(tuple),
)


@given(CONFIGS)
def test_config_comes_back_equal_from_json(config: TrainConfig) -> None:
    text = json.dumps(dump_config(config), allow_nan=False)
    back = parse_config(json.loads(text))
    assert back == config
    assert config_hash(back) == config_hash(config)


def test_options_keep_what_json_keeps_so_that_the_saved_config_is_the_one_that_ran() -> None:
    config = replace(CONFIG, loss_options={"weights": (1, 2.5), "deep": {"a": ((1,),)}})
    assert config.loss_options == {"weights": [1, 2.5], "deep": {"a": [[1]]}}
    assert parse_config(dump_config(config)) == config


def test_hash_knows_no_order_of_keys_and_sees_every_field() -> None:
    one = replace(CONFIG, label_map={"a": 0, "b": 1}, loss_options={"x": 1, "y": 2})
    other = replace(CONFIG, loss_options={"y": 2, "x": 1}, label_map={"b": 1, "a": 0})
    assert config_hash(one) == config_hash(other)
    others = {"num_workers": 3, "label_map": {"a": 1, "b": 0}, "plugins": ("p",), "run_name": ""}
    hashes = {config_hash(replace(one, **{name: value})) for name, value in others.items()}  # type: ignore[arg-type]
    assert len(hashes | {config_hash(one)}) == len(others) + 1


def test_saved_config_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(dump_config(CONFIG)))
    assert read_config(tmp_path / "config.json") == CONFIG


def test_saved_config_that_is_gone_or_no_mapping_is_refused_by_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json: can't be read"):
        read_config(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ConfigError, match=r"config\.json: is \[1\], not a mapping"):
        read_config(tmp_path / "config.json")
