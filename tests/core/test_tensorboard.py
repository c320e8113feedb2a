from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from utp.config.train import TrainConfig
from utp.core.figures import roc_micro_figure, save_png
from utp.core.metrics.entries import metric_ids
from utp.core.tensorboard import TensorBoardLog, tag_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "tb"


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    return events


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, pytest.approx(event.value)) for event in read(folder).Scalars(tag)]


@pytest.mark.parametrize(
    ("metric_id", "tag"),
    [
        ("train_loss", "train/loss"),
        ("train_acc@1", "train/acc1"),
        ("lr", "train/lr"),
        ("epoch", "epoch"),
        ("val_acc@1", "val/acc1"),
        ("val_acc@5", "val/acc5"),
        ("val_f1_macro", "val/f1_macro"),
        ("val_ece", "val/ece"),
        ("test_auroc_macro", "test/auroc_macro"),
        ("eval_s", "time/eval"),
        ("images_per_s", "throughput/img_s"),
        ("gpu_memory_mb", "gpu/memory_mb"),
        ("something_else", "something_else"),
    ],
)
def test_metric_id_has_its_tag(metric_id: str, tag: str) -> None:
    assert tag_of(metric_id) == tag


def test_no_two_ids_share_a_tag() -> None:
    ids = ["lr", "epoch", *(i for prefix in ("train_", "val_", "test_") for i in metric_ids((1, 5, 15), 20, prefix))]
    assert len({tag_of(metric_id) for metric_id in ids}) == len(ids)


def test_rows_are_read_back_at_their_step(folder: Path) -> None:
    log = TensorBoardLog(folder)
    log.write_row({"step": 10, "epoch": 1, "train_loss": 2.5, "train_acc@1": 0.25, "lr": 1e-3})
    log.write_row({"step": 20, "epoch": 2, "train_loss": np.float32(1.5), "lr": 5e-4, "val_acc@1": 0.5})
    log.close()
    assert scalars(folder, "train/loss") == [(10, 2.5), (20, 1.5)]
    assert scalars(folder, "train/lr") == [(10, 1e-3), (20, 5e-4)]
    assert scalars(folder, "epoch") == [(10, 1), (20, 2)]
    assert set(read(folder).Tags()["scalars"]) == {"epoch", "train/loss", "train/acc1", "train/lr", "val/acc1"}


def test_none_texts_and_flags_are_left_out(folder: Path) -> None:
    log = TensorBoardLog(folder)
    log.write_row({"step": 1, "val_auroc_macro": None, "split": "val", "is_best": True, "val_loss": 1})
    log.close()
    assert read(folder).Tags()["scalars"] == ["val/loss"]


def test_row_without_a_step_is_refused(folder: Path) -> None:
    log = TensorBoardLog(folder)
    with pytest.raises(KeyError, match="step"):
        log.write_row({"train_loss": 1.0})
    log.close()


def test_flushed_row_is_there_before_close(folder: Path) -> None:
    log = TensorBoardLog(folder)
    log.write_row({"step": 1, "train_loss": 1.0})
    log.flush()
    assert scalars(folder, "train/loss") == [(1, 1.0)]
    log.close()


def test_resume_hides_what_came_after_the_checkpoint(folder: Path) -> None:
    first = TensorBoardLog(folder)
    for step in (10, 20, 30, 40):
        first.write_row({"step": step, "train_loss": 1.0})
    first.close()
    (events,) = folder.iterdir()  # files are read in order of the second in their name: let this one be an older one
    events.rename(events.with_name("events.out.tfevents.1000000000." + events.name.split(".", 4)[4]))
    resumed = TensorBoardLog(folder, purge_step=21)
    for step in (30, 40, 50):
        resumed.write_row({"step": step, "train_loss": 2.0})
    resumed.close()
    assert scalars(folder, "train/loss") == [(10, 1.0), (20, 1.0), (30, 2.0), (40, 2.0), (50, 2.0)]


def test_figure_is_the_picture_of_its_png(folder: Path, tmp_path: Path) -> None:
    save_png(roc_micro_figure(None, title="nothing"), tmp_path / "roc.png")
    log = TensorBoardLog(folder)
    log.write_figure("val/roc_micro", tmp_path / "roc.png", 6)
    log.close()
    (event,) = read(folder).Images("val/roc_micro")
    assert event.step == 6
    assert event.width > 500
    with Image.open(io.BytesIO(event.encoded_image_string)) as shown, Image.open(tmp_path / "roc.png") as drawn:
        assert np.array_equal(np.asarray(shown.convert("RGB")), np.asarray(drawn.convert("RGB")))


def test_hparams_hold_config_and_metrics_in_the_same_run(folder: Path) -> None:
    config = TrainConfig(root="data", model_flavour="builtin/tiny", loss_options={"gamma": 2.0}, eval_topk=(1, 5))
    log = TensorBoardLog(folder)
    log.write_hparams(asdict(config), {"val_acc@1": 0.75, "val_auroc_macro": None}, step=90)
    log.close()
    assert len(list(folder.rglob("*"))) == 1
    assert scalars(folder, "hparams/val/acc1") == [(90, 0.75)]
    content = read(folder).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    fields = HParamsPluginData.FromString(content).session_start_info.hparams
    assert fields["lr"].number_value == pytest.approx(config.lr)
    assert fields["loss_options.gamma"].number_value == 2.0
    assert fields["eval_topk"].string_value == "[1, 5]"
    assert fields["optimizer"].string_value == "adamw"
    assert "run_name" not in fields
