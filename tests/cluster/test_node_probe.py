# ruff: noqa: N802, N815  the names are the driver's
"""What is measured of a machine, with and without GPUs; the driver is played by a small fake of `pynvml`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from utp.cluster.node_probe import LogicalGpus, NodeProbe
from utp.cluster.nvidia_gpus import NvidiaGpus, find_gpus, started_by_ray


class FakeDriver:
    """Answers as a driver with two cards does; `silent` names questions that it does not support."""

    NVMLError = pynvml.NVMLError
    NVML_TEMPERATURE_GPU = NVML_MEMORY_ERROR_TYPE_UNCORRECTED = NVML_VOLATILE_ECC = nvmlMemory_v2 = 0
    nvmlEventTypeXidCriticalError = 8

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.ecc_errors = [0, 0]
        self.events: list[tuple[int, int]] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvmlDevice") and name in self.silent:
            return self._refuse
        return super().__getattribute__(name)

    def _refuse(self, *_: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}"

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        return b"NVIDIA A100"

    def nvmlDeviceGetMemoryInfo(self, handle: int, version: int | None = None) -> SimpleNamespace:
        return SimpleNamespace(total=40, used=10 * handle if version is not None else 10 * handle + 1)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=25)

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:
        return 60

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return 250_000  # mW

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=11, usedGpuMemory=7), SimpleNamespace(pid=12, usedGpuMemory=None)][: 2 * handle]

    def nvmlDeviceGetRemappedRows(self, handle: int) -> tuple[int, int, int, int]:
        return 0, 0, 0, 0

    def nvmlDeviceGetTotalEccErrors(self, handle: int, kind: int, since: int) -> int:
        return self.ecc_errors[handle]

    def nvmlEventSetCreate(self) -> object:
        return object()

    def nvmlDeviceRegisterEvents(self, handle: int, kind: int, events: object) -> None:
        assert kind == self.nvmlEventTypeXidCriticalError

    def nvmlEventSetWait_v2(self, events: object, timeout_ms: int) -> SimpleNamespace:
        if not self.events:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)
        handle, xid = self.events.pop(0)
        return SimpleNamespace(device=handle, eventData=xid)


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


def reader_of(driver: FakeDriver) -> NvidiaGpus:
    return NvidiaGpus(driver, is_ours=lambda pid: pid == 11)


def test_machine_is_measured(tmp_path: Path) -> None:
    sample = NodeProbe("n" * 56, LogicalGpus("one", 0), tmp_path).sample()
    assert sample.hostname == os.uname().nodename
    assert 0 < sample.memory_free_bytes < sample.memory_total_bytes
    assert 0 < sample.disk_free_bytes < sample.disk_total_bytes
    assert sample.gpus == ()


def test_logical_gpus_are_shown_as_such(tmp_path: Path) -> None:
    gpus = NodeProbe("n" * 56, LogicalGpus("one", 2), tmp_path).sample().gpus
    assert [(gpu.index, gpu.uuid, gpu.model, gpu.is_logical) for gpu in gpus] == [
        (0, "logical-one-0", "logical", True),
        (1, "logical-one-1", "logical", True),
    ]


@pytest.mark.skipif(NvidiaGpus.open() is not None, reason="this machine has GPUs")
def test_machine_without_gpus_has_the_logical_ones_that_ray_was_told_of() -> None:
    assert [gpu.is_logical for gpu in find_gpus("one", 2).sample()] == [True, True]


def test_machine_without_shared_memory_has_none(tmp_path: Path) -> None:
    sample = NodeProbe("n" * 56, LogicalGpus("one", 0), tmp_path, tmp_path / "absent").sample()
    assert (sample.shm_total_bytes, sample.shm_free_bytes) == (0, 0)


def test_card_is_read(driver: FakeDriver) -> None:
    idle, busy = reader_of(driver).sample()
    assert (idle.uuid, idle.model, idle.memory_total_bytes, idle.utilisation) == ("GPU-0", "NVIDIA A100", 40, 0.25)
    assert (busy.memory_used_bytes, busy.temperature_c, busy.power_w) == (10, 60.0, 250.0)
    assert [(process.pid, process.memory_bytes, process.is_ours) for process in busy.processes] == [
        (11, 7, True),
        (12, 0, False),
    ]
    assert busy.foreign_memory_bytes == 3


def test_what_the_driver_does_not_tell_is_none(driver: FakeDriver) -> None:
    driver.silent = {
        "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetComputeRunningProcesses",
        "nvmlDeviceGetRemappedRows",
        "nvmlDeviceGetTotalEccErrors",
        "nvmlDeviceRegisterEvents",
    }
    reader = reader_of(driver)
    gpu = reader.sample()[1]
    assert (gpu.memory_total_bytes, gpu.utilisation, gpu.temperature_c, gpu.power_w) == (None, None, None, None)
    assert gpu.processes == ()
    assert reader.faults() == {}


def test_uncorrected_ecc_errors_are_a_fault(driver: FakeDriver) -> None:
    reader = reader_of(driver)
    assert reader.faults() == {}
    driver.ecc_errors = [0, 3]
    assert reader.faults() == {"GPU-1": "3 uncorrected ECC errors since the driver was loaded"}


def test_xid_of_the_hardware_is_a_fault_and_one_of_a_program_is_not(driver: FakeDriver) -> None:
    reader = reader_of(driver)
    driver.events = [(0, 31), (1, 79)]
    assert reader.faults() == {"GPU-1": "XID 79: fallen off the bus"}
    assert reader.faults() == {"GPU-1": "XID 79: fallen off the bus"}


@pytest.mark.process
def test_process_that_ray_started_is_ours() -> None:
    environment = {"PATH": os.environ["PATH"], "RAY_RAYLET_PID": "1"}
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with (
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ours,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as foreign,
    ):
        for process in (ours, foreign):
            assert process.stdout
            process.stdout.readline()  # its environment stands once it runs
        assert started_by_ray(ours.pid)
        assert not started_by_ray(foreign.pid)
        for process in (ours, foreign):
            process.communicate(b"\n")
    assert not started_by_ray(ours.pid)
