"""Which device, number format and thread count a run computes with: decided once, kept over every resume."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from utp.config.train import TrainConfig
from utp.core.cgroup import cpu_quota
from utp.core.distributed import num_workers_here
from utp.core.memory import keep_freed_memory
from utp.errors import ConfigError


@dataclass(frozen=True)
class Compute:
    """How a run computes. Another thread count or number format gives other roundings, so a resume keeps both."""

    device: torch.device
    autocast_dtype: torch.dtype
    num_threads: int
    deterministic: bool = False
    channels_last: bool = False

    @property
    def is_cpu(self) -> bool:
        """Whether the device computes in step with Python, so that reading a value costs nothing."""
        return self.device.type == "cpu"

    @property
    def memory_format(self) -> torch.memory_format:
        """How images are laid out, as `Tensor.to` takes it."""
        return torch.channels_last if self.channels_last else torch.preserve_format

    def with_channels_last(self, channels_last: bool) -> Compute:
        """Return the same with this memory format, which depends on the model."""
        return replace(self, channels_last=channels_last)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which forward and loss run."""
        if self.autocast_dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast_dtype)

    def apply(self) -> None:
        """Set threads, how memory is handled on a CPU, and whether kernels must give equal results."""
        torch.set_num_threads(self.num_threads)
        if self.is_cpu:
            keep_freed_memory()
        if self.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
        torch.use_deterministic_algorithms(self.deterministic)
        torch.backends.cudnn.deterministic = self.deterministic
        torch.backends.cudnn.benchmark = not self.deterministic

    def to_json(self) -> dict[str, Any]:
        """Return the values to keep in a checkpoint."""
        dtype = str(self.autocast_dtype).removeprefix("torch.")
        return {**asdict(self), "device": self.device.type, "autocast_dtype": dtype}


def resolve_compute(config: TrainConfig, saved: Mapping[str, Any] | None = None) -> tuple[Compute, tuple[str, ...]]:
    """Return how to compute, and sentences on what differs from what was asked.

    Args:
        config: what the user asks for.
        saved: `Compute.to_json()` of the run's earlier attempt; its threads and number format win.

    Raises:
        ConfigError: `device` is cuda and there is none.
    """
    notes: list[str] = []
    device = resolve_device(config)
    num_threads = config.num_threads or max(1, available_cores() // num_workers_here())
    wanted = torch.bfloat16 if config.autocast_dtype == "bfloat16" else torch.float32
    if wanted is torch.bfloat16 and not gains_from_bfloat16(device):
        notes.append(f"autocast_dtype: this {device.type} is not faster with bfloat16, so the run uses float32")
        wanted = torch.float32
    if saved is not None:
        saved_dtype = torch.bfloat16 if saved["autocast_dtype"] == "bfloat16" else torch.float32
        if (saved["num_threads"], saved_dtype) != (num_threads, wanted):
            notes.append(
                f"this attempt keeps the run's {saved['num_threads']} threads and {saved['autocast_dtype']}: "
                "others would give other roundings"
            )
        if saved["device"] != device.type:
            notes.append(f"the run was on {saved['device']} and goes on on {device.type}: its numbers will differ")
        num_threads, wanted = saved["num_threads"], saved_dtype
    return Compute(device, wanted, num_threads, config.deterministic), tuple(notes)


def resolve_device(config: TrainConfig) -> torch.device:
    """Return where a run computes. Raises `ConfigError` where `device` is cuda and there is none."""
    has_cuda = torch.cuda.is_available()
    if config.device == "cuda" and not has_cuda:
        raise ConfigError(
            ("device: 'cuda' is asked for, but torch sees no GPU; use 'auto' or 'cpu', or see `utp doctor`",)
        )
    return torch.device("cuda" if has_cuda and config.device != "cpu" else "cpu")


def gains_from_bfloat16(device: torch.device) -> bool:
    """Whether the device computes bfloat16 in hardware (AMX or AVX512-BF16 on a CPU, Ampere and later on a GPU)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())  # no public twin; a CPU with AMX has AVX512-BF16 too


def available_cores() -> int:
    """Return how many cores this process may keep busy: its affinity, and a container's CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, int(quota)))
