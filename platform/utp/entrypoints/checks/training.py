"""Checks of what trains: Python, packages, torch and GPUs."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from utp.entrypoints.checks.finding import GIB, Finding

PROBE_TIMEOUT_S = 120
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
REINSTALL = "install the versions that belong together: make demo in a checkout, else pip install 'utp[train]'"


def check_python() -> Finding:
    """Compare this Python with the one that UTP needs."""
    needed = metadata("utp")["Requires-Python"]
    running = ".".join(map(str, sys.version_info[:3]))
    found = f"{running} at {sys.executable}"
    if running in SpecifierSet(needed):
        return Finding("ok", found)
    return Finding("fail", found, f"make the environment with a Python {needed}")


def check_packages() -> Finding:
    """Compare the installed packages with the versions that UTP and its `train` extra ask for."""
    needed = [Requirement(text) for text in requires("utp") or ()]
    problems = [problem for requirement in needed if _applies(requirement) and (problem := _problem_of(requirement))]
    if problems:
        return Finding("fail", "; ".join(problems), REINSTALL)
    return Finding("ok", f"{sum(map(_applies, needed))} packages as needed")


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": "train"})


def _problem_of(requirement: Requirement) -> str:
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(installed, prereleases=True):
        return ""
    return f"{requirement.name} is {installed}, needed {requirement.specifier}"


@functools.cache
def probe_torch() -> dict[str, Any]:
    """Return what torch sees, found out in a process of its own. Raises `RuntimeError` with the reason it can't."""
    command = [sys.executable, "-m", "utp.entrypoints.checks.torch_probe"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"importing torch took over {PROBE_TIMEOUT_S} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"the process ended with {done.returncode}"]
        raise RuntimeError(lines[-1])
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def check_torch() -> Finding:
    """Import torch, torchvision with its compiled operators, and transformers."""
    try:
        seen = probe_torch()
    except RuntimeError as error:
        return Finding("fail", str(error), REINSTALL)
    build = f"CUDA {seen['cuda']}" if seen["cuda"] else "CPU only"
    return Finding(
        "ok", f"torch {seen['torch']} ({build}), torchvision {seen['torchvision']}, transformers {seen['transformers']}"
    )


def check_gpus() -> Finding:
    """Compare the GPUs that torch sees with the driver, and look at the memory that is really free."""
    try:
        seen = probe_torch()
    except RuntimeError:
        return Finding("warn", "unknown, since torch does not run", "see torch above")
    return judge_gpus(seen["gpus"], seen["cuda"], has_driver=NVIDIA_DRIVER.exists())


def judge_gpus(gpus: list[dict[str, Any]], cuda: str | None, *, has_driver: bool) -> Finding:
    """Say whether training can use the GPUs that are there. No GPU at all is fine: it trains on the CPU."""
    if not gpus and not has_driver:
        return Finding("ok", "no NVIDIA GPU: trains on the CPU")
    if not gpus and cuda is None:
        return Finding(
            "fail",
            "there is an NVIDIA driver, but this torch is built for the CPU only",
            "install torch from a CUDA build",
        )
    if not gpus:
        return Finding(
            "fail",
            f"there is an NVIDIA driver, but torch (CUDA {cuda}) sees no GPU",
            f"compare nvidia-smi's CUDA version with {cuda} and update the driver; in a container add --gpus all; "
            "look whether CUDA_VISIBLE_DEVICES hides them",
        )
    found = "\n".join(_describe(index, gpu) for index, gpu in enumerate(gpus))
    if any(gpu["free_bytes"] < gpu["total_bytes"] / 2 for gpu in gpus):
        return Finding("warn", found, "more than half of a GPU's memory is taken; nvidia-smi shows by whom")
    return Finding("ok", found)


def _describe(index: int, gpu: dict[str, Any]) -> str:
    number_format = "bfloat16" if gpu["has_bfloat16"] else "no bfloat16: trains in float32"
    memory = f"{gpu['free_bytes'] / GIB:.1f} of {gpu['total_bytes'] / GIB:.1f} GiB free"
    return f"{index}: {gpu['name']}, {memory}, {number_format}"
