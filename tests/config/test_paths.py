"""Paths that users write stay beneath their mount, however they are written."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from utp.config.paths import (
    RunPaths,
    as_configured,
    dataset_root,
    local_path,
    model_dir,
    resolve_under,
    runs_root,
)
from utp.errors import PathRefused
from utp.settings import Settings


@pytest.mark.parametrize("value", ["food/fruit", "/food/fruit", "./food/fruit", "//food//fruit/", "/./food/./fruit"])
def test_all_spellings_name_the_same_place_beneath_the_mount(tmp_path: Path, value: str) -> None:
    assert resolve_under(tmp_path, value, "root") == tmp_path / "food" / "fruit"


@pytest.mark.parametrize("value", ["/", ".", "./"])
def test_mount_itself_can_be_named(tmp_path: Path, value: str) -> None:
    assert resolve_under(tmp_path, value, "root") == tmp_path


def test_value_that_begins_with_the_mount_is_taken_as_it_is(tmp_path: Path) -> None:
    assert resolve_under(tmp_path, f"{tmp_path}/food", "root") == tmp_path / "food"
    assert resolve_under(tmp_path, f"/{tmp_path}//food", "root") == tmp_path / "food"
    assert resolve_under(tmp_path, str(tmp_path), "root") == tmp_path


def test_sibling_whose_name_begins_like_the_mount_is_not_beneath_it(tmp_path: Path) -> None:
    mount = tmp_path / "data"
    assert resolve_under(mount, f"{tmp_path}/datax/food", "root") == Path(f"{mount}{tmp_path}/datax/food")


REFUSED = {
    "empty": ["", " ", "\t"],
    "control": ["a\x00b", "a\nb", "a\x7fb", "a\x85b", "a\u2028b", "a\udc80b"],
    "from the mount down": ["..", "../x", "a/../b", "a/..", "/../etc", "./../etc", ".. /etc", "a/ ../b"],
    "percent-encoded": ["%2e%2e/etc", "..%2fetc", "%252e%252e%252fetc", "a%00b", "%c0%ae%c0%ae/", "\uff05\uff12e"],
    "backslash": ["..\\etc", "\\\\server\\share", "a\\b", "C:\\data"],
    "`~`": ["~", "~/data", "~root", "/~/data", "./~"],
    "look-alike": [
        "\u2024\u2024/etc",
        ".\u2024/etc",
        "\uff0e\uff0e/etc",
        "\u2025/etc",
        "a\u2215b",
        "a\u2044b",
        "a\uff0fb",
        "a\uff3cb",
        "a\ufe68b",
        "a\u29f8b",
        "a\u2216b",
        "\u2100",
    ],
    "shorten": ["n" * 256, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 128, "a/" * 2100],
}


@pytest.mark.parametrize(
    ("reason", "value"), [(reason, value) for reason, values in REFUSED.items() for value in values]
)
def test_malformed_disguised_and_leaving_values_are_refused(tmp_path: Path, reason: str, value: str) -> None:
    with pytest.raises(PathRefused, match=r"ckpt_dir: .* is refused: ") as caught:
        resolve_under(tmp_path / "mount", value, "ckpt_dir")
    assert reason in caught.value.reason
    assert caught.value.value == value
    assert not (tmp_path / "mount").exists()


@pytest.mark.parametrize("value", ["100%", "50% off", "a..b", "v1.0", "...", "données/été", "猫/犬", "a b", "-x", "x~"])
def test_odd_but_honest_names_are_accepted(tmp_path: Path, value: str) -> None:
    assert resolve_under(tmp_path, value, "root") == tmp_path / value


def test_longest_name_of_a_file_system_is_accepted(tmp_path: Path) -> None:
    (resolve_under(tmp_path, "n" * 255, "root")).mkdir()


def test_symlink_that_leaves_the_mount_is_refused_also_before_its_end_exists(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    (mount / "out").symlink_to(tmp_path / "elsewhere")
    (mount / "up").symlink_to("../..")
    for value in ("out", "out/not/yet/there", "/out", f"{mount}/out", "up", "up/etc"):
        with pytest.raises(PathRefused, match="symlink"):
            resolve_under(mount, value, "root")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mount"]


def test_symlink_within_the_mount_is_kept_as_written(tmp_path: Path) -> None:
    (tmp_path / "v3").mkdir()
    (tmp_path / "current").symlink_to("v3")
    assert resolve_under(tmp_path, "current/train", "root") == tmp_path / "current" / "train"


def test_loop_of_symlinks_raises_nothing_but_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert resolve_under(tmp_path, "a/x", "root") == tmp_path / "a" / "x"


def test_mount_may_be_a_symlink_and_values_may_begin_with_either_name(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    mount = tmp_path / "mount"
    mount.symlink_to("disk")
    for value in ("food", f"{tmp_path}/mount/food", f"{tmp_path}/disk/food"):
        assert resolve_under(mount, value, "root") == mount / "food"


def test_relative_mount_gives_an_absolute_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_under(Path("data"), "food", "root") == tmp_path / "data" / "food"


PIECES = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "//",
        "~",
        "\\",
        "%2e",
        "%252f",
        "\u2024",
        "\uff0e",
        "\u2215",
        "\uff0f",
        "\x00",
        " ",
        "a",
        "out",
        "in",
    ]
)
VALUES = st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join) | st.text(max_size=40)


@given(value=VALUES, begins_with_mount=st.booleans())
def test_accepted_value_is_beneath_the_mount_and_stays_what_it_is(value: str, begins_with_mount: bool) -> None:
    with TemporaryDirectory() as folder:
        mount = Path(folder, "mount")
        mount.mkdir()
        (mount / "out").symlink_to(folder)
        (mount / "in").mkdir()
        before = sorted(Path(folder).rglob("*"))
        try:
            place = resolve_under(mount, f"{mount}/{value}" if begins_with_mount else value, "root")
        except PathRefused:
            return
        finally:
            assert sorted(Path(folder).rglob("*")) == before
        real = os.path.realpath(place)
        assert real == os.path.realpath(mount) or real.startswith(os.path.realpath(mount) + "/")
        assert ".." not in place.parts
        assert resolve_under(mount, str(place), "root") == place


@given(name=st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=40))
def test_names_of_letters_and_digits_are_never_refused(name: str) -> None:
    assume(len(name.encode()) <= 255)
    assert resolve_under(Path("/mount"), name, "root").name == name


def test_without_a_mount_paths_are_those_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert local_path("data/food", "root") == tmp_path / "data" / "food"
    assert local_path("/data/100%2e/a\\b", "root") == Path("/data/100%2e/a\\b")
    assert local_path("~/food", "root") == Path("/home/somebody/food")
    assert local_path("../food", "root") == tmp_path.parent / "food"


def test_local_parent_of_a_symlink_is_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "disk" / "sets").mkdir(parents=True)
    (tmp_path / "sets").symlink_to("disk/sets")
    (tmp_path / "disk" / "food").symlink_to("sets")
    assert local_path(f"{tmp_path}/sets/../food", "root") == tmp_path / "disk" / "food"


@pytest.mark.parametrize("value", ["", " ", "a\x00b", "a\nb", "n" * 256, "a/" * 2100, "~nobody-of-that-name/x"])
def test_local_path_that_no_file_can_have_is_refused(value: str) -> None:
    with pytest.raises(PathRefused, match=r"^root: "):
        local_path(value, "root")


def test_each_root_has_its_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELS_DIR", raising=False)
    settings = Settings.model_validate({"DATASETS_DIR": tmp_path / "d", "SHARED_LOGS_DIR": tmp_path / "s"})
    assert dataset_root("/x", settings) == tmp_path / "d" / "x"
    assert runs_root("/x", settings) == tmp_path / "s" / "x"
    assert model_dir("/x", settings) == Path("/x")


def test_root_as_configured_names_the_same_folder(tmp_path: Path) -> None:
    settings = Settings.model_validate({"DATASETS_DIR": tmp_path})
    place = dataset_root("fruit/ripe", settings)
    assert as_configured(place, settings) == "fruit/ripe"
    assert as_configured(Path("/elsewhere"), settings) == "/elsewhere"
    assert as_configured(place, settings.model_copy(update={"datasets_dir": None})) == str(place)


def test_refusal_names_the_field_and_survives_pickling(tmp_path: Path) -> None:
    settings = Settings.model_validate({"MODELS_DIR": tmp_path})
    with pytest.raises(PathRefused, match=r"^model_flavour: '\.\./x' is refused") as caught:
        model_dir("../x", settings)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_tree_of_a_run() -> None:
    paths = RunPaths(Path("/s/runs/food/vit"), Path("/s/checkpoints/food/vit"))
    assert paths.name == "vit"
    inside = [paths.config, paths.environment, paths.metrics, paths.result]
    assert [path.name for path in inside] == ["config.json", "environment.json", "metrics.jsonl", "result.json"]
    folders = [paths.figures, paths.predictions, paths.tensorboard, paths.attempts]
    assert [path.name for path in folders] == ["figures", "predictions", "tb", "attempts"]
    assert {path.parent for path in inside + folders} == {paths.run_dir}
    attempt = paths.attempt(3)
    assert attempt.directory == paths.run_dir / "attempts" / "3"
    journal = [attempt.metrics, attempt.log(0), attempt.result, attempt.figures]
    assert [path.name for path in journal] == ["metrics.jsonl", "rank0.log", "result.json", "figures"]
    weights = [paths.best_weights, paths.epoch_weights(7), paths.best_meta, paths.hf]
    assert [path.name for path in weights] == ["best.pt", "epoch_007.pt", "_best_meta.json", "hf"]
    assert {path.parent for path in weights} == {paths.checkpoint_dir}
