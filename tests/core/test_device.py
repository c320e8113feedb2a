"""How a run computes is decided once and kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from utp.config.train import TrainConfig
from utp.core.device import available_cores, gains_from_bfloat16, resolve_compute
from utp.errors import ConfigError

CONFIG = TrainConfig(root="x", model_flavour="x", device="cpu", autocast_dtype="float32")


def test_threads_default_to_the_cores_this_process_may_use() -> None:
    compute, _ = resolve_compute(CONFIG)
    assert compute.num_threads == available_cores()


@pytest.mark.skipif(torch.cuda.is_available(), reason="the refusal is for machines without a GPU")
def test_cuda_without_a_gpu_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="use 'auto' or 'cpu', or see `utp doctor`"):
        resolve_compute(replace(CONFIG, device="cuda"))


def test_bfloat16_falls_back_aloud_where_the_cpu_does_not_gain() -> None:
    compute, notes = resolve_compute(replace(CONFIG, autocast_dtype="bfloat16"))
    gains = gains_from_bfloat16(torch.device("cpu"))
    assert compute.autocast_dtype is (torch.bfloat16 if gains else torch.float32)
    assert bool(notes) is not gains


def test_saved_threads_and_format_win_aloud() -> None:
    saved = {"device": "cpu", "autocast_dtype": "bfloat16", "num_threads": 3}
    compute, notes = resolve_compute(replace(CONFIG, num_threads=2), saved)
    assert (compute.num_threads, compute.autocast_dtype) == (3, torch.bfloat16)
    assert "keeps the run's 3 threads and bfloat16" in notes[0]


def test_what_is_saved_reads_back_equal() -> None:
    compute, _ = resolve_compute(replace(CONFIG, num_threads=2))
    again, notes = resolve_compute(CONFIG, compute.to_json())
    assert again == compute
    assert notes == () or available_cores() != 2


def test_autocast_computes_in_the_format_it_names() -> None:
    compute, _ = resolve_compute(CONFIG, {"device": "cpu", "autocast_dtype": "bfloat16", "num_threads": 1})
    with compute.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype is torch.bfloat16
