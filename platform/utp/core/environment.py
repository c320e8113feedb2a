"""What a run ran on: versions, code, hardware, data. Written to `environment.json` when an attempt starts."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch

from utp.core.device import available_cores
from utp.core.native.jpeg import decoder_name

_PACKAGES = ("utp", "torch", "torchvision", "transformers", "numpy", "pillow", "safetensors", "timm", "ray")
MAX_DIFF_BYTES = 1_000_000


def describe_environment(code_directory: Path) -> dict[str, Any]:
    """Return versions, hardware, command line and the git state of `code_directory`, as JSON values."""
    return {
        "schema_version": 1,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "jpeg_decoder": decoder_name(),
        "command": sys.argv,
        "host": platform.node(),
        "hardware": _describe_hardware(),
        "git": _describe_git(code_directory),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _describe_hardware() -> dict[str, Any]:
    gpus = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            gpus.append({"name": properties.name, "memory_bytes": properties.total_memory})
    return {
        "cpu": _cpu_model(),
        "usable_cores": available_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": gpus,
        "cuda": torch.version.cuda if gpus else None,
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), os.uname().machine)


def _describe_git(directory: Path) -> dict[str, Any] | None:
    """Return commit and uncommitted changes; None where there is no git or no repository."""
    commit = _git(directory, "rev-parse", "HEAD")
    if commit is None:
        return None
    diff = _git(directory, "diff", "HEAD") or ""
    is_cut = len(diff.encode()) > MAX_DIFF_BYTES
    return {"commit": commit.strip(), "diff": diff[:MAX_DIFF_BYTES], "is_diff_cut": is_cut}


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")
