"""Config files in Python: what in them is a config, what is said of a wrong one, and what they leave behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from utp.config.loading import load_configs
from utp.errors import ConfigError

pytestmark = pytest.mark.usefixtures("_bytecode_is_written")

HEAD = """
from dataclasses import replace
from utp.config.train import TrainConfig
"""


@pytest.fixture
def _bytecode_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def write(folder: Path, text: str, name: str = "runs.py", head: str = HEAD) -> str:
    path = folder / name
    path.write_text(head + dedent(text), encoding="utf-8")
    return str(path)


FUNCTIONS = """
def small() -> TrainConfig:
    return TrainConfig(root="fruit", model_flavour="small")

def large(epochs: int = 3, *args: int, **kwargs: int) -> TrainConfig:
    return replace(small(), model_flavour="large", epochs=epochs)

def sized(size: int) -> TrainConfig:
    return replace(small(), image_size=size)

def _base() -> TrainConfig:
    raise AssertionError("is private")

def not_a_config() -> int:
    raise AssertionError("is no config")
"""


def names(target: str) -> list[str]:
    return [one.name for one in load_configs(target)]


def test_functions_without_required_arguments_are_configs(tmp_path: Path) -> None:
    path = write(tmp_path, FUNCTIONS)
    assert names(f"{path}:all") == ["small", "large"]
    (large,) = load_configs(f"{path}:large")
    assert (large.config.model_flavour, large.config.epochs, large.source) == ("large", 3, f"{path}:large")


def test_only_the_function_that_is_asked_for_is_called(tmp_path: Path) -> None:
    path = write(tmp_path, FUNCTIONS + "def broken() -> TrainConfig:\n    raise RuntimeError('called')\n")
    assert names(f"{path}:small") == ["small"]


@pytest.mark.parametrize("annotation", ["TrainConfig", "'TrainConfig'", "train.TrainConfig", "Alias"])
def test_annotation_may_be_text_dotted_or_another_name(tmp_path: Path, annotation: str) -> None:
    head = (
        "from __future__ import annotations\nfrom utp.config import train\nfrom utp.config.train import TrainConfig\n"
    )
    body = f"Alias = TrainConfig\ndef one() -> {annotation}:\n    return TrainConfig(root='x', model_flavour='m')\n"
    assert names(write(tmp_path, body, head=head)) == ["one"]


def test_objects_and_lists_are_configs_each_once(tmp_path: Path) -> None:
    body = """
    one = TrainConfig(root="fruit", model_flavour="one")
    sizes = [224, 256]
    sweep = [one, *(replace(one, image_size=size) for size in sizes)]
    """
    path = write(tmp_path, body)
    assert names(f"{path}:all") == ["one", "sweep[1]", "sweep[2]"]
    assert [one.config.image_size for one in load_configs(f"{path}:sweep")] == [None, 224, 256]
    assert [one.config.image_size for one in load_configs(f"{path}:sweep[2]")] == [256]


def test_list_of_training_configurations_is_meant_where_no_name_is_given(tmp_path: Path) -> None:
    path = write(tmp_path, FUNCTIONS + "training_configurations = [large(), sized(64)]\n")
    assert names(path) == ["training_configurations[0]", "training_configurations[1]"]
    assert names(f"{path}:all") == ["small", "large", "training_configurations[1]"]


def test_only_config_of_a_file_needs_no_name(tmp_path: Path) -> None:
    path = write(tmp_path, "only = TrainConfig(root='x', model_flavour='m')\n")
    assert names(path) == ["only"]


def test_several_without_a_name_are_listed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds 2 configs: small, large"):
        load_configs(write(tmp_path, FUNCTIONS))


def test_misspelt_name_is_answered_with_the_close_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config 'smal'; did you mean 'small'\? it holds: small, large"):
        load_configs(write(tmp_path, FUNCTIONS) + ":smal")


def test_neighbours_can_be_imported_and_their_configs_are_not_this_files(tmp_path: Path) -> None:
    neighbour = "OBJECT = TrainConfig(root='x', model_flavour='o')\ndef base() -> TrainConfig:\n    return OBJECT\n"
    write(tmp_path, neighbour, "neighbour.py")
    (tmp_path / "package").mkdir()
    write(tmp_path / "package", "EPOCHS = 7\n", "inner.py")
    body = """
    from neighbour import OBJECT, base

    def variant() -> TrainConfig:
        from package.inner import EPOCHS
        return replace(base(), epochs=EPOCHS)
    """
    (loaded,) = load_configs(write(tmp_path, body) + ":all")
    assert (loaded.name, loaded.config.epochs) == ("variant", 7)


def test_nothing_of_a_file_is_left_behind(tmp_path: Path) -> None:
    write(tmp_path, "EPOCHS = 7\n", "neighbour.py")
    body = "from neighbour import EPOCHS\nimport this_fails_too\n"
    before = (list(sys.path), set(sys.modules), sys.dont_write_bytecode)
    good = write(
        tmp_path, "from neighbour import EPOCHS\none = TrainConfig(root='x', model_flavour='m', epochs=EPOCHS)"
    )
    load_configs(good)
    with pytest.raises(ConfigError):
        load_configs(write(tmp_path, body, "bad.py"))
    assert (list(sys.path), set(sys.modules), sys.dont_write_bytecode) == before
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bad.py", "neighbour.py", "runs.py"]


def test_edited_file_and_neighbour_are_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path, "from neighbour import E\none = TrainConfig(root='x', model_flavour='m', epochs=E)")
    for epochs in (3, 4):  # the same size within the same second: a .pyc would not notice
        write(tmp_path, f"E = {epochs}\n", "neighbour.py")
        assert load_configs(path)[0].config.epochs == epochs


def test_neighbour_that_was_just_added_is_found(tmp_path: Path) -> None:
    write(tmp_path, "E = 3\n", "old.py")
    load_configs(write(tmp_path, "from old import E\none = TrainConfig(root='x', model_flavour='m', epochs=E)"))
    listed_at = tmp_path.stat()
    write(tmp_path, "E = 4\n", "new.py")
    path = write(tmp_path, "from new import E\none = TrainConfig(root='x', model_flavour='m', epochs=E)")
    os.utime(tmp_path, ns=(listed_at.st_atime_ns, listed_at.st_mtime_ns))  # as within one tick of a coarse clock
    assert load_configs(path)[0].config.epochs == 4


def test_file_runs_with_its_own_future_imports_alone(tmp_path: Path) -> None:
    body = """
    def one() -> TrainConfig:
        return TrainConfig(root="x", model_flavour="m", run_name=str(type(one.__annotations__["return"]).__name__))
    """
    assert load_configs(write(tmp_path, body))[0].config.run_name == "type"


def test_same_neighbour_name_in_two_folders_is_two_modules(tmp_path: Path) -> None:
    for folder, epochs in (("a", 3), ("b", 4)):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, f"E = {epochs}\n", "neighbour.py")
        path = write(
            tmp_path / folder, "from neighbour import E\none = TrainConfig(root='x', model_flavour='m', epochs=E)"
        )
        assert load_configs(path)[0].config.epochs == epochs


def test_library_that_lies_beneath_the_folder_stays_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "venv").mkdir()
    write(tmp_path / "venv", "", "installed_library_of_a_test.py")
    monkeypatch.syspath_prepend(str(tmp_path / "venv"))
    load_configs(write(tmp_path, "import installed_library_of_a_test\none = TrainConfig(root='x', model_flavour='m')"))
    assert sys.modules.pop("installed_library_of_a_test")


def test_module_that_is_importable_anyway_is_not_run_a_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    write(tmp_path, "", "plugin_of_a_test.py")
    load_configs(write(tmp_path, "import plugin_of_a_test\none = TrainConfig(root='x', model_flavour='m')"))
    assert sys.modules.pop("plugin_of_a_test")


def test_dataclasses_of_a_file_work(tmp_path: Path) -> None:
    head = "from __future__ import annotations\n" + HEAD
    body = """
    from dataclasses import dataclass
    from pydantic import TypeAdapter
    @dataclass
    class Variant:
        lr: float
        other: Variant | None = None
    def one() -> TrainConfig:
        variant = TypeAdapter(Variant).validate_python({"lr": 0.5})
        return TrainConfig(root="x", model_flavour="m", lr=variant.lr)
    """
    assert load_configs(write(tmp_path, body, head=head))[0].config.lr == 0.5


@pytest.mark.parametrize(
    ("body", "place", "problem"),
    [
        ("def broken(:\n", ":4", "invalid syntax; correct the Python"),
        ("x = 1\ny = x / 0\n", ":5", "ZeroDivisionError: division by zero"),
        (
            "import no_such_module_at_all\n",
            ":4",
            "No module named 'no_such_module_at_all'; install it, or put it beside",
        ),
        ("raise SystemExit(3)\n", ":4", "SystemExit: 3"),
        ("one = TrainConfig(root='x', model_flavour='m', lrr=1)\n", ":4", "lrr: is not a field .* did you mean 'lr'"),
        (
            "one = TrainConfig(root='x', model_flavour='m')\ntwo = replace(one, lr=-1.0)\n",
            ":5",
            "lr: should be greater",
        ),
        ("one = TrainConfig('x', 'm')\n", ":4", "takes no positional values"),
        (
            "def one() -> TrainConfig:\n    return TrainConfig(root=3, model_flavour='m')\n",
            ":5",
            "root: should be a valid",
        ),
        ("def one() -> TrainConfig:\n    pass\n", ":4", r"one\(\) gives None, not a TrainConfig; return one"),
        ("from utp.errors import ConfigError\nraise ConfigError(('lr: too low; raise it',))\n", ":5", "lr: too low"),
        ("from utp.errors import UnknownName\nraise UnknownName('loss', 'x', ('y',))\n", ":5", "loss 'x' is not"),
        ("import json\njson.loads('{')\n", ":5", "JSONDecodeError"),
        ("training_configurations = []\n", "", "training_configurations: is empty"),
        (
            FUNCTIONS + "training_configurations = [small(), large]\n",
            "",
            r"configurations\[1\]: is <function .*; call it",
        ),
        (FUNCTIONS + "some = [small(), {}]\n", "", r"some\[1\]: is \{\}, not a TrainConfig; put TrainConfig objects"),
        ("x = 1\n", "", "holds no config; write a function"),
        ("x = '\x00'\n", "", "null bytes"),
    ],
)
def test_fault_in_a_file_is_named_by_file_and_line(tmp_path: Path, body: str, place: str, problem: str) -> None:
    path = write(tmp_path, body)
    with pytest.raises(ConfigError, match=problem) as caught:
        load_configs(path)
    assert str(caught.value).startswith(f"{path}{place}: ")


def test_fault_in_a_neighbour_is_named_by_its_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, "one = TrainConfig(root='', model_flavour='m')\n", "neighbour.py")
    with pytest.raises(ConfigError, match=r"neighbour\.py:4: root: "):
        load_configs(write(tmp_path, "import neighbour\n"))
    write(tmp_path, "def (\n", "neighbour.py")
    with pytest.raises(ConfigError, match=r"neighbour\.py:4: invalid syntax"):
        load_configs(write(tmp_path, "import neighbour\n"))


def test_file_with_another_encoding_says_so_in_its_first_line(tmp_path: Path) -> None:
    text = f"# coding: latin-1\n{HEAD}one = TrainConfig(root='été', model_flavour='m')\n"
    (tmp_path / "runs.py").write_bytes(text.encode("latin-1"))
    assert load_configs(str(tmp_path / "runs.py"))[0].config.root == "été"


def test_relative_target_is_named_as_the_user_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "x = 1 / 0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^runs\.py:4: ZeroDivisionError"):
        load_configs("runs.py")
