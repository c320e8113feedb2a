"""What a user can get wrong in `utp train`: each is refused in a sentence, before anything is written."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from utp.core.data.sample_digits import write_digits
from utp.entrypoints.cli import app
from utp.settings import get_settings

GOOD = {
    "root": "digits",
    "model_flavour": "builtin/resnet-micro",
    "load_pretrained": False,
    "num_workers": 0,
    "max_datapoints_per_class": 4,
    "epochs": 1,
    "batch_size": 20,
    "autocast_dtype": "float32",
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "digits"
    write_digits(folder)
    return folder


@pytest.fixture
def workplace(tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with datasets/digits, models/ and all mounts set to it."""
    shutil.copytree(digits, tmp_path / "datasets" / "digits", copy_function=os.link)
    (tmp_path / "models").mkdir()
    (tmp_path / "logs").mkdir()
    for name, folder in (("DATASETS_DIR", "datasets"), ("MODELS_DIR", "models"), ("SHARED_LOGS_DIR", "logs")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("UTP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def train(workplace: Path, changes: dict[str, Any], *arguments: str) -> Result:
    config = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    (workplace / "config.json").write_text(json.dumps(config))
    return CliRunner().invoke(app, ["train", "config.json", *arguments])


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "cache" not in path.relative_to(folder).parts[:1]}


REFUSED_SETTINGS: list[tuple[dict[str, Any], list[str]]] = [
    ({"root": ...}, ["root", "missing"]),
    ({"model_flavour": ...}, ["model_flavour", "missing"]),
    ({"btach_size": 3}, ["btach_size", "did you mean 'batch_size'"]),
    ({"batch_size": 0}, ["batch_size", "greater than or equal to 1", "0"]),
    ({"batch_size": "32"}, ["batch_size", "valid integer", "'32'"]),
    ({"lr": -1}, ["lr", "greater than 0", "-1"]),
    ({"epochs": 1.5}, ["epochs", "1.5"]),
    ({"warmup_ratio": 1.0}, ["warmup_ratio", "less than 1"]),
    ({"autocast_dtype": "float8"}, ["autocast_dtype", "'bfloat16' or 'float32'", "float8"]),
    ({"persistent_workers": True}, ["persistent_workers", "num_workers 0"]),
    ({"prefetch_factor": 4}, ["prefetch_factor", "num_workers 0"]),
    ({"max_datapoints_per_class": []}, ["max_datapoints_per_class", "leave it out"]),
    ({"max_datapoints_per_class": [3, 4]}, ["max_datapoints_per_class", "10"]),
    ({"max_datapoints_per_class": {"eleven": 3}}, ["max_datapoints_per_class", "eleven"]),
    ({"label_map": {"a": 0, "b": 2}}, ["label_map", "0..1"]),
    ({"label_map": {"0": 0, "1": 1}}, ["label_map", "2"]),
    ({"loss": "hinge"}, ["loss", "hinge", "cross_entropy"]),
    ({"loss_options": {"label_smothing": 0.1}}, ["loss_options.label_smothing", "label_smoothing"]),
    ({"loss_options": {"label_smoothing": 1.5}}, ["loss_options.label_smoothing", "1.5"]),
    ({"optimizer": "adamax"}, ["optimizer", "adamax", "adamw"]),
    ({"optimizer_options": {"betas": [0.9, 1.0]}}, ["optimizer_options.betas", "1.0"]),
    ({"schedule": "cosin"}, ["schedule", "cosin", "cosine"]),
    ({"schedule": "constant", "schedule_options": {"final_factor": 0.1}}, ["schedule_options", "no options"]),
    ({"augmentation": "autoaugment"}, ["augmentation", "autoaugment", "standard"]),
    ({"task": "detection"}, ["task", "detection", "image_classification"]),
    ({"monitor_metric": "val_accuracy"}, ["monitor_metric", "val_accuracy", "val_acc@K"]),
    ({"monitor_metric": "train_loss", "monitor_mode": "min"}, ["monitor_metric", "train_loss", "val_"]),
    ({"monitor_metric": "val_loss"}, ["monitor_mode", "max", "'min'"]),
    ({"monitor_metric": "val_acc@3"}, ["monitor_metric", "val_acc@3", "val_acc@5"]),
    ({"plugins": ["no_such_module"]}, ["plugins", "no_such_module"]),
    ({"device": "cuda"}, ["device", "cuda", "utp doctor"]),
    ({"image_size": 4}, ["image_size", "4"]),
]

REFUSED_PLACES: list[tuple[dict[str, Any], list[str]]] = [
    ({"root": "nowhere"}, ["nowhere"]),
    ({"root": "../digits"}, ["root", "../digits", ".."]),
    ({"root": "digits/%2e%2e"}, ["root", "percent-encoded"]),
    ({"root": "digits\\train"}, ["root", "backslash"]),
    ({"root": "digits\u0000"}, ["root", "NUL"]),
    ({"tb_root": "../runs"}, ["tb_root", ".."]),
    ({"ckpt_dir": "~/checkpoints"}, ["ckpt_dir", "~"]),
    ({"ckpt_dir": "runs"}, ["ckpt_dir", "tb_root"]),
    ({"model_flavour": "builtin/resnet-9000"}, ["model_flavour", "resnet-9000", "builtin/resnet-micro"]),
    ({"model_flavour": "../../x"}, ["model_flavour", "../../x"]),
    ({"model_flavour": "./nowhere"}, ["model_flavour", "nowhere"]),
    ({"load_pretrained": True}, ["model_flavour", "load_pretrained"]),
    (
        {"model_flavour": "google/not-in-the-cache", "load_pretrained": True},
        ["google/not-in-the-cache", "HF_HUB_OFFLINE"],
    ),
    ({"model_revision": "main"}, ["model_revision"]),
]


@pytest.mark.parametrize(("changes", "told"), REFUSED_SETTINGS + REFUSED_PLACES, ids=lambda value: str(value)[:60])
def test_refused_run_names_field_value_and_way_out_and_leaves_nothing_behind(
    workplace: Path, changes: dict[str, Any], told: list[str]
) -> None:
    before = files_below(workplace)
    result = train(workplace, changes)
    assert result.exit_code == 2, result.output
    assert [part for part in told if part not in result.stderr] == [], result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: ")
    assert files_below(workplace) - before <= {workplace / "config.json"}


def damage_no_val(root: Path) -> None:
    shutil.rmtree(root / "val")


def damage_class_only_in_val(root: Path) -> None:
    (root / "val" / "ten").mkdir()
    shutil.copy(next((root / "val" / "9").iterdir()), root / "val" / "ten" / "a.png")


def damage_empty_class(root: Path) -> None:
    shutil.rmtree(root / "train" / "3")
    (root / "train" / "3").mkdir()


def damage_one_class(root: Path) -> None:
    for digit in range(1, 10):
        for split in ("train", "val", "test"):
            shutil.rmtree(root / split / str(digit))


def damage_torn_image(root: Path) -> None:
    """Every training image of class 5, so that a cap can't leave the torn one out."""
    for path in (root / "train" / "5").iterdir():
        content = path.read_bytes()
        path.unlink()  # a hard link: writing into it would reach the other tests
        path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (damage_no_val, ["val"]),
        (damage_class_only_in_val, ["ten", "train"]),
        (damage_empty_class, ["3", "train"]),
        (damage_one_class, ["class", "0"]),
    ],
)
def test_unusable_dataset_is_refused_by_name_and_leaves_nothing_behind(
    workplace: Path, damage: Callable[[Path], None], told: list[str]
) -> None:
    damage(workplace / "datasets" / "digits")
    before = files_below(workplace)
    result = train(workplace, {})
    assert result.exit_code == 2, result.output
    assert [part for part in told if part not in result.stderr] == [], result.stderr
    assert files_below(workplace) - before <= {workplace / "config.json"}


def test_corrupt_image_fails_the_run_with_its_path_and_the_run_says_so(workplace: Path) -> None:
    damage_torn_image(workplace / "datasets" / "digits")
    result = train(workplace, {})
    assert result.exit_code == 2, result.output
    assert "datasets/digits/train/5/" in result.stderr
    assert "utp data check" in result.stderr
    (run,) = (workplace / "logs" / "runs" / "digits").iterdir()
    recorded = json.loads((run / "result.json").read_text())
    assert (recorded["outcome"], recorded["kind"]) == ("failed", "data_error")
    assert "train/5/" in recorded["message"]
    assert "Traceback" in (run / "attempts" / "1" / "rank0.log").read_text()
    assert f"utp resume logs/runs/digits/{run.name}" in result.stdout


def test_corrupt_image_whose_name_is_no_text_fails_the_run_in_words(workplace: Path) -> None:
    folder = workplace / "datasets" / "digits" / "train" / "5"
    for number, path in enumerate(sorted(folder.iterdir())):
        path.unlink()
        (folder / os.fsdecode(f"\N{LATIN SMALL LETTER E WITH ACUTE}{number}.png".encode("latin-1"))).write_bytes(
            b"torn"
        )
    result = train(workplace, {})
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    (run,) = (workplace / "logs" / "runs" / "digits").iterdir()
    assert "train/5/\\udce9" in json.loads((run / "result.json").read_text())["message"]


def test_weights_that_explode_in_the_last_step_of_an_epoch_are_named_by_the_evaluation(workplace: Path) -> None:
    one_step = {"batch_size": 40, "warmup_ratio": 0.0}
    result = train(workplace, {"lr": 1e30, "optimizer": "sgd", "max_grad_norm": None, **one_step})
    assert result.exit_code == 1, result.output
    assert "the model has diverged; lower lr or set max_grad_norm" in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    (run,) = (workplace / "logs" / "runs" / "digits").iterdir()
    assert json.loads((run / "result.json").read_text())["kind"] == "nan"


def test_loss_that_explodes_fails_with_the_step(workplace: Path) -> None:
    result = train(workplace, {"lr": 1e30, "optimizer": "sgd", "max_grad_norm": None, "warmup_ratio": 0.0, "epochs": 5})
    assert result.exit_code == 1, result.output
    assert "not finite at step" in result.stderr
    (run,) = (workplace / "logs" / "runs" / "digits").iterdir()
    assert json.loads((run / "result.json").read_text())["kind"] == "nan"


def test_missing_and_malformed_files_and_overrides_are_refused(workplace: Path) -> None:
    (workplace / "broken.yaml").write_text("root: [1,\n")
    (workplace / "broken.py").write_text("def run(:\n")
    (workplace / "config.json").write_text(json.dumps(GOOD))
    for arguments, told in [
        (["absent.py"], "absent.py"),
        (["config.txt"], "config.txt"),
        (["broken.yaml"], "broken.yaml"),
        (["broken.py"], "broken.py"),
        (["config.json:other"], "other"),
        (["config.json", "--set", "lr"], "lr"),
        (["config.json", "--set", "lrr=1"], "did you mean 'lr'"),
        (["config.json", "--set", "lr=fast"], "'fast'"),
    ]:
        result = CliRunner().invoke(app, ["train", *arguments])
        assert result.exit_code == 2, (arguments, result.output)
        assert told in result.stderr, (arguments, result.stderr)


def test_finished_run_and_changed_run_are_not_resumed(workplace: Path) -> None:
    assert train(workplace, {}).exit_code == 0
    (run,) = (workplace / "logs" / "runs" / "digits").iterdir()
    result = CliRunner().invoke(app, ["resume", f"logs/runs/digits/{run.name}"])
    assert result.exit_code == 2
    assert "it has succeeded" in result.stderr
    (run / "result.json").unlink()  # as if it had been killed just before its end
    (run / "attempts" / "1" / "result.json").unlink()
    result = CliRunner().invoke(app, ["resume", f"logs/runs/digits/{run.name}", "--set", "batch_size=5"])
    assert result.exit_code == 2
    assert "batch_size was 20 and is 5 now" in result.stderr
    result = CliRunner().invoke(app, ["resume", "logs/runs/digits/nothing"])
    assert result.exit_code == 2


def test_name_that_is_taken_gets_the_next_version(workplace: Path) -> None:
    for _ in range(2):
        assert train(workplace, {}).exit_code == 0
    names = sorted(path.name for path in (workplace / "logs" / "runs" / "digits").iterdir())
    base = "resnet-micro__cross_entropy__scratch"
    assert names == [base, f"{base}-v1"]
    assert sorted(path.name for path in (workplace / "logs" / "checkpoints" / "digits").iterdir()) == names
