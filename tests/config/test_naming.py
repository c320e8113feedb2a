"""Names of runs, and who gets them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import utp.errors
from utp.config.loading import dump_config
from utp.config.naming import base_name, dataset_name, find_runs, open_run, reserve_run, safe_name
from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.errors import ConfigError, PathRefused
from utp.settings import Settings

SOURCE_ROOT = Path(utp.errors.__file__).parents[1]
CONFIG = TrainConfig(root="sets/fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)
NAME = "vit-tiny__cross_entropy__scratch"


@pytest.fixture(autouse=True)
def _no_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DATASETS_DIR", "SHARED_LOGS_DIR", "MODELS_DIR"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"DATASETS_DIR": tmp_path / "datasets", "SHARED_LOGS_DIR": tmp_path / "shared"})


def save_config(paths: RunPaths, config: TrainConfig) -> None:
    paths.config.write_text(json.dumps(dump_config(config)))


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("google/vit-base", "google-vit-base"),
        ("a b\tc", "a-b-c"),
        ("résumé", "resume"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("end. ", "end"),
        ("../../etc", "etc"),
        ("", "unnamed"),
        ("///", "unnamed"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("console", "console"),
        ("\uff21\uff22", "AB"),
        ("model__loss", "model__loss"),
    ],
)
def test_safe_names(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_texts_that_differ_in_what_a_name_can_not_hold_get_different_names() -> None:
    texts = ["猫", "犬", "x" * 121, "x" * 122, "x" * 120 + "/", "🍎", "🍊", "vit-猫", "vit-犬"]
    assert len({safe_name(text) for text in texts}) == len(texts)


def test_composed_and_decomposed_text_get_the_same_name() -> None:
    assert safe_name("\u30ac") == safe_name("\u30ab\u3099")


@given(st.text() | st.text("abc.-_/ ", min_size=100, max_size=200))
def test_safe_name_is_safe_and_stays_what_it_is(text: str) -> None:
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,119}", name)
    assert name[-1] not in ".-"
    assert name.partition(".")[0].upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, NAME),
        ({"load_pretrained": True}, "vit-tiny__cross_entropy__pretrained"),
        ({"model_suffix": "lr 1e-3"}, f"{NAME}__lr-1e-3"),
        ({"run_name": "My run", "model_suffix": "b"}, "My-run__b"),
        ({"model_flavour": "google/vit-base"}, "google-vit-base__cross_entropy__scratch"),
        ({"model_flavour": "/models/mine/vit/"}, "vit__cross_entropy__scratch"),
        ({"model_flavour": "./mine"}, "mine__cross_entropy__scratch"),
        ({"model_flavour": "models/mine/vit"}, "vit__cross_entropy__scratch"),
    ],
)
def test_base_names(changes: dict[str, object], name: str) -> None:
    assert base_name(replace(CONFIG, **changes)) == name  # type: ignore[arg-type]


def test_long_base_names_stay_short_and_different() -> None:
    names = [base_name(replace(CONFIG, model_suffix="s" * length)) for length in (200, 201)]
    assert len(set(names)) == 2
    assert max(map(len, names)) <= 120


def test_dataset_is_called_by_its_folder() -> None:
    assert dataset_name(Path("/data/Grocery store")) == "Grocery-store"
    assert dataset_name(Path("/")) == "unnamed"


def test_first_run_gets_the_name_and_the_next_ones_versions(tmp_path: Path, settings: Settings) -> None:
    runs = [reserve_run(CONFIG, settings) for _ in range(3)]
    assert [run.name for run in runs] == [NAME, f"{NAME}-v1", f"{NAME}-v2"]
    assert runs[0].run_dir == tmp_path / "shared" / "runs" / "fruit" / NAME
    assert runs[0].checkpoint_dir == tmp_path / "shared" / "checkpoints" / "fruit" / NAME
    assert all(run.run_dir.is_dir() and run.checkpoint_dir.is_dir() for run in runs)


def test_first_free_version_is_taken(settings: Settings) -> None:
    runs = [reserve_run(CONFIG, settings) for _ in range(3)]
    runs[1].run_dir.rmdir()
    runs[1].checkpoint_dir.rmdir()
    assert reserve_run(CONFIG, settings).name == f"{NAME}-v1"


def test_name_after_thousands_is_found_without_trying_each(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = reserve_run(CONFIG, settings)
    for version in range(1, 3000):
        folder = first.run_dir if version % 2 else first.checkpoint_dir
        folder.with_name(f"{NAME}-v{version}").mkdir()
    tried: list[Path] = []
    make = Path.mkdir

    def counted(self: Path, *args: bool, **options: bool) -> None:
        tried.append(self)
        make(self, *args, **options)

    monkeypatch.setattr(Path, "mkdir", counted)
    assert reserve_run(CONFIG, settings).name == f"{NAME}-v3000"
    assert len(tried) < 10


def test_checkpoints_of_a_deleted_run_keep_its_name_taken(settings: Settings) -> None:
    first = reserve_run(CONFIG, settings)
    first.run_dir.rmdir()
    second = reserve_run(CONFIG, settings)
    assert second.name == f"{NAME}-v1"
    assert not first.run_dir.exists()


@pytest.mark.parametrize("kind", ["file", "symlink"])
def test_name_that_a_file_or_a_dead_link_has_is_taken(settings: Settings, kind: str) -> None:
    first = reserve_run(CONFIG, settings)
    first.run_dir.rmdir()
    if kind == "file":
        first.run_dir.touch()
    else:
        first.run_dir.symlink_to("nowhere")
    assert reserve_run(CONFIG, settings).name == f"{NAME}-v1"


def test_same_folder_for_logs_and_checkpoints_is_refused_and_nothing_made(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"ckpt_dir: '\./out' is the same folder as tb_root"):
        reserve_run(replace(CONFIG, tb_root="/out", ckpt_dir="./out"), settings)
    assert tree(tmp_path) == []


@pytest.mark.parametrize("field", ["tb_root", "ckpt_dir"])
@pytest.mark.parametrize("value", ["blocked", "blocked/deeper"])
def test_file_in_the_way_of_a_root_is_refused_by_field(settings: Settings, field: str, value: str) -> None:
    assert settings.shared_logs_dir is not None
    settings.shared_logs_dir.mkdir()
    (settings.shared_logs_dir / "blocked").touch()
    with pytest.raises(PathRefused, match=f"^{field}: '{value}' is refused: .*name a folder that you may write to"):
        reserve_run(replace(CONFIG, **{field: value}), settings)  # type: ignore[arg-type]


def test_file_where_the_runs_of_the_dataset_go_is_refused(settings: Settings) -> None:
    assert settings.shared_logs_dir is not None
    (settings.shared_logs_dir / "runs").mkdir(parents=True)
    (settings.shared_logs_dir / "runs" / "fruit").touch()
    with pytest.raises(PathRefused, match=r"^tb_root: 'runs' is refused: .*runs/fruit can't be made"):
        reserve_run(CONFIG, settings)


@pytest.mark.parametrize("field", ["root", "tb_root", "ckpt_dir"])
def test_root_that_leaves_its_mount_is_refused_and_nothing_made(tmp_path: Path, settings: Settings, field: str) -> None:
    for value in ("../x", "a/../../x", "..%2fx", "~/x", "a\\b"):
        with pytest.raises(PathRefused, match=f"^{field}: "):
            reserve_run(replace(CONFIG, **{field: value}), settings)  # type: ignore[arg-type]
    assert tree(tmp_path) == []


def test_dataset_folder_that_links_to_outside_is_refused(tmp_path: Path, settings: Settings) -> None:
    assert settings.shared_logs_dir is not None
    (settings.shared_logs_dir / "checkpoints").mkdir(parents=True)
    (settings.shared_logs_dir / "checkpoints" / "fruit").symlink_to(tmp_path)
    with pytest.raises(PathRefused, match=r"^ckpt_dir: .*symlink"):
        reserve_run(CONFIG, settings)
    assert not (settings.shared_logs_dir / "runs").exists()


RACER = """
import sys
from pathlib import Path
from utp.config.naming import reserve_run
from utp.config.train import TrainConfig
from utp.settings import Settings
settings = Settings.model_validate({"SHARED_LOGS_DIR": Path(sys.argv[1])})
config = TrainConfig(root="fruit", model_flavour="m", run_name="raced")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(4):
    print(reserve_run(config, settings).name)
"""


@pytest.mark.process
def test_racing_processes_get_a_name_each_without_gaps(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "fruit" / "raced-v5").mkdir(parents=True)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path)],
            env={"PYTHONPATH": str(SOURCE_ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    names = [name for racer in racers for name in racer.communicate()[0].split()]
    expected = {"raced", *(f"raced-v{number}" for number in range(1, 33) if number != 5)}
    assert Counter(names) == Counter(expected)
    for root in ("runs", "checkpoints"):
        made = {path.name for path in (tmp_path / root / "fruit").iterdir()}
        assert made - {"raced-v5"} == expected


def test_runs_of_a_config_are_found_newest_first_by_number(settings: Settings) -> None:
    runs = [reserve_run(CONFIG, settings) for _ in range(12)]
    for run in runs[:-1]:
        save_config(run, CONFIG)
    for other in (f"{NAME}-v02", f"{NAME}-vx", f"{NAME}2", "-v3", f"{NAME}__x-v1"):
        (runs[0].run_dir.parent / other).mkdir()
    assert find_runs(CONFIG, settings) == runs[-2::-1]


def test_no_runs_are_found_where_there_are_none(settings: Settings) -> None:
    assert find_runs(CONFIG, settings) == []


def test_run_whose_directory_was_replaced_by_a_link_to_outside_is_refused(tmp_path: Path, settings: Settings) -> None:
    run = reserve_run(CONFIG, settings)
    save_config(run, CONFIG)
    run.checkpoint_dir.rmdir()
    run.checkpoint_dir.symlink_to(tmp_path)
    with pytest.raises(PathRefused, match="symlink"):
        find_runs(CONFIG, settings)
    with pytest.raises(PathRefused, match="symlink"):
        open_run(run.run_dir, settings)


def test_run_is_opened_by_any_way_to_write_its_directory(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(CONFIG, ckpt_dir="/elsewhere/weights")
    run = reserve_run(config, settings)
    save_config(run, config)
    assert open_run(run.run_dir, settings) == run
    assert open_run(Path("runs/fruit") / NAME, settings) == run
    monkeypatch.chdir(run.run_dir.parent)
    assert open_run(Path(NAME), settings) == run
    assert open_run(Path("..") / "fruit" / NAME, settings) == run
    monkeypatch.chdir(run.run_dir)
    assert open_run(Path(), settings) == run


def test_local_run_is_opened_from_another_folder_than_it_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, root=".", ckpt_dir="weights", tb_root="./logs/runs")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    run = reserve_run(config, Settings())
    save_config(run, config)
    monkeypatch.chdir(tmp_path)
    assert open_run(run.run_dir.relative_to(tmp_path), Settings()) == run
    assert run.checkpoint_dir == tmp_path / "project" / "weights" / "project" / NAME


def test_local_run_with_checkpoints_on_another_disk_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = replace(CONFIG, ckpt_dir=str(tmp_path / "disk"))
    run = reserve_run(config, Settings())
    save_config(run, config)
    assert open_run(run.run_dir, Settings()) == run


def test_directory_that_is_no_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not the directory of a run: it has no config\.json"):
        open_run(tmp_path, Settings())
    with pytest.raises(ConfigError, match="is not the directory of a run: it does not exist"):
        open_run(tmp_path / "nothing", Settings())


def test_torn_config_of_a_run_is_refused_by_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"root": ')
    with pytest.raises(ConfigError, match=r"config\.json:1: "):
        open_run(tmp_path, Settings())
