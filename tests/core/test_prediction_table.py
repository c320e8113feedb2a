"""Predictions as a table and as Parquet: what the rows say, checked against plain numpy and another reader's view."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from utp.core.data.manifest import Sample
from utp.core.metrics.scores import ClassificationScores
from utp.core.prediction_table import prediction_table, read_facts, write_predictions

CLASSES = ["cat", "dog", "猫", "odd \udc80", "e", "f", "g"]


def scores(num_samples: int = 40, num_classes: int = 7) -> ClassificationScores:
    draw = np.random.default_rng(0)
    logits = draw.integers(-3, 4, (num_samples, num_classes)).astype(np.float32)  # small integers: many ties
    labels = draw.integers(0, num_classes, num_samples)
    losses = draw.random(num_samples, dtype=np.float32)
    return ClassificationScores(logits, labels, losses=losses, indices=np.arange(num_samples)[::-1].copy())


def samples(num_samples: int = 40) -> list[Sample]:
    return [Sample(f"val/a/{index}.png", 0, f"{index:032x}", 1, "hash") for index in range(num_samples)]


def table(one: ClassificationScores) -> pyarrow.Table:
    return prediction_table(one, samples(one.num_samples), "val", {"classes": CLASSES})


def test_rows_are_the_samples_that_the_indices_name() -> None:
    one = scores()
    rows = table(one).to_pylist()
    assert [row["path"] for row in rows] == [f"val/a/{index}.png" for index in range(39, -1, -1)]
    assert [row["sample_id"] for row in rows] == [f"{index:032x}" for index in range(39, -1, -1)]
    assert [row["label"] for row in rows] == one.labels.tolist()
    assert one.losses is not None
    assert [row["loss"] for row in rows] == one.losses.tolist()


def test_top_classes_are_those_of_a_stable_sort_and_probabilities_those_of_the_softmax() -> None:
    one = scores()
    softmax = np.exp(one.logits.astype(np.float64))
    softmax /= softmax.sum(axis=1, keepdims=True)
    order = np.argsort(-one.logits, axis=1, kind="stable")[:, :5]
    for row, best, probabilities, label in zip(
        table(one).to_pylist(), order.tolist(), softmax, one.labels, strict=True
    ):
        assert row["top_classes"] == best
        assert row["predicted"] == best[0]
        np.testing.assert_allclose(row["top_probabilities"], probabilities[best], rtol=1e-5)
        np.testing.assert_allclose(row["true_class_probability"], probabilities[label], rtol=1e-5)


def test_fewer_classes_than_five_give_fewer_columns_of_top() -> None:
    assert {len(row["top_classes"]) for row in table(scores(num_classes=3)).to_pylist()} == {3}


def test_file_reads_back_equal_and_says_where_it_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "val_best.parquet"
    write_predictions(path, table(scores()), epoch=3, step=21)
    assert parquet.read_table(path).equals(table(scores()))
    facts = {"schema_version": 1, "split": "val", "classes": CLASSES, "epoch": 3, "step": 21}
    assert read_facts(path) == facts
    assert json.loads(parquet.read_metadata(path).metadata[b"utp"]) == facts
    assert [entry.name for entry in path.parent.iterdir()] == ["val_best.parquet"]


def test_disk_that_fails_leaves_the_file_before_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "test.parquet"
    write_predictions(path, table(scores()), epoch=1)
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_predictions(path, table(scores()), epoch=2)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_path_that_is_no_utf8_is_written_with_its_odd_bytes_escaped() -> None:
    odd = [Sample("val/a/\udcff.png", 0, "0" * 32, 1, "hash")]
    one = ClassificationScores(np.zeros((1, 2)), np.zeros(1), losses=np.zeros(1), indices=np.zeros(1))
    assert prediction_table(one, odd, "val", {})["path"].to_pylist() == ["val/a/\\xff.png"]


@pytest.mark.parametrize("num_top", [0, 8])
def test_more_or_fewer_top_classes_than_there_are_is_refused(num_top: int) -> None:
    with pytest.raises(ValueError, match=rf"within 1\.\.7, .*got {num_top}"):
        scores().top(num_top)
