"""Channels last: on for models of convolutions, kept over a resume, whole from the bytes to the kernels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.support.noise_images import CONFIG, train_images, write_noise
from torch import nn

from utp.core.data.transforms import Preprocessing
from utp.core.device import Compute
from utp.core.memory_format import lay_out

COMPUTE = Compute(torch.device("cpu"), torch.float32, num_threads=1)


@pytest.mark.parametrize(
    ("asked", "saved", "expected"),
    [
        (None, None, True),
        (False, None, False),
        (None, {"channels_last": False}, False),
        (False, {"channels_last": True}, True),
        (True, {}, True),
        (None, {}, False),
    ],
)
def test_the_run_before_decides_then_the_config_then_the_model(
    asked: bool | None, saved: dict[str, bool] | None, expected: bool
) -> None:
    model, compute = lay_out(replace(CONFIG, channels_last=asked), COMPUTE, nn.Conv2d(3, 4, 3), saved)
    assert compute.channels_last is compute.to_json()["channels_last"] is expected
    assert next(model.parameters()).is_contiguous(memory_format=torch.channels_last) == expected


@pytest.mark.parametrize("is_bgr", [False, True])
def test_channels_last_holds_from_the_bytes_into_the_model(is_bgr: bool) -> None:
    plain = Preprocessing(resize=8, crop=(8, 8), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), is_bgr=is_bgr)
    compute = COMPUTE.with_channels_last(True)
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8).to("cpu", memory_format=compute.memory_format)
    assert plain.normalise(images).is_contiguous(memory_format=torch.channels_last)


def test_resumed_run_keeps_the_format_it_began_with_and_its_bits(tmp_path: Path) -> None:
    write_noise(tmp_path / "data", {"a": 6, "b": 5}, {"a": 2, "b": 2})
    _, plain = train_images(tmp_path, replace(CONFIG, epochs=1, channels_last=False), "plain")
    _, weights = train_images(tmp_path, replace(CONFIG, epochs=1), "whole")
    train_images(tmp_path, replace(CONFIG, epochs=1), "cut", stop_after_step=1)
    reporter, others = train_images(tmp_path, replace(CONFIG, epochs=1, channels_last=False), "cut")
    assert any("channels_last: this attempt keeps True" in note for note in reporter.notes)
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert any(not torch.equal(weights[name], plain[name]) for name in weights), "or the format has no effect"
