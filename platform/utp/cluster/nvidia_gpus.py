"""`NvidiaGpus`: the GPUs of this machine as NVIDIA's driver tells of them (NVML, through nvidia-ml-py).

Every question may be one that a card, a driver or a container does not answer; then the field is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import psutil
import pynvml

from utp.cluster.inventory import GpuProcess, GpuState
from utp.cluster.node_probe import GpuReader, LogicalGpus

FATAL_XIDS = {
    48: "double-bit ECC error",
    62: "internal micro-controller halted",
    64: "memory row remapping failed",
    74: "NVLink error",
    79: "fallen off the bus",
    95: "uncontained ECC error",
    119: "GSP timed out",
    120: "GSP error",
    140: "unrecovered ECC error",
}
"""XIDs that say the card needs a reset or a technician, of NVIDIA's "XID Errors"; 13, 31, 43 and 45 are a program's."""


class NvidiaGpus:
    """Reads GPUs by NVML. `open` is the way to make one.

    Args:
        nvml: the module `pynvml`, initialised.
        is_ours: whether a process was started by Ray.
    """

    def __init__(self, nvml: Any, is_ours: Callable[[int], bool]) -> None:
        self._nvml = nvml
        self._is_ours = is_ours
        self._handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        self._uuids = [_text(nvml.nvmlDeviceGetUUID(handle)) for handle in self._handles]
        self._models = [_text(nvml.nvmlDeviceGetName(handle)) for handle in self._handles]
        self._faults: dict[str, str] = {}
        self._events = self._listen_for_xids()

    @classmethod
    def open(cls) -> Self | None:
        """Return the reader of this machine's GPUs; None where there is no driver or no GPU."""
        try:
            pynvml.nvmlInit()
            reader = cls(pynvml, started_by_ray)
        except pynvml.NVMLError:
            return None
        return reader if reader._handles else None

    def sample(self) -> tuple[GpuState, ...]:
        """Return the GPUs as they are now; one that stopped answering stands there without its measurements."""
        return tuple(self._sample_one(index) for index in range(len(self._handles)))

    def faults(self) -> Mapping[str, str]:
        """Return the hardware faults reported since this process started, by UUID."""
        self._take_xids()
        for uuid, handle in zip(self._uuids, self._handles, strict=True):
            if reason := self._memory_fault(handle):
                self._faults.setdefault(uuid, reason)
        return dict(self._faults)

    def _sample_one(self, index: int) -> GpuState:
        nvml, handle = self._nvml, self._handles[index]
        memory = self._memory(handle)
        rates = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        temperature = self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
        power_mw = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)
        return GpuState(
            index=index,
            uuid=self._uuids[index],
            model=self._models[index],
            memory_total_bytes=None if memory is None else int(memory.total),
            memory_used_bytes=None if memory is None else int(memory.used),
            utilisation=None if rates is None else rates.gpu / 100,
            temperature_c=None if temperature is None else float(temperature),
            power_w=None if power_mw is None else power_mw / 1000,
            processes=self._processes(handle),
        )

    def _memory(self, handle: Any) -> Any:
        # The first version counts what the driver reserves for itself (up to 0.7 GB) as used.
        memory = self._ask(self._nvml.nvmlDeviceGetMemoryInfo, handle, self._nvml.nvmlMemory_v2)
        return memory if memory is not None else self._ask(self._nvml.nvmlDeviceGetMemoryInfo, handle)

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...]:
        """Those that compute; what a display server holds is seen in the memory alone."""
        found = self._ask(self._nvml.nvmlDeviceGetComputeRunningProcesses, handle) or ()
        return tuple(
            GpuProcess(
                pid=process.pid,
                memory_bytes=process.usedGpuMemory or 0,
                is_ours=self._is_ours(process.pid),
                **_describe(process.pid),
            )
            for process in found
        )

    def _memory_fault(self, handle: Any) -> str | None:
        nvml = self._nvml
        rows = self._ask(nvml.nvmlDeviceGetRemappedRows, handle)
        if rows is not None and rows[3]:
            return FATAL_XIDS[64]
        kind, since = nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC
        errors = self._ask(nvml.nvmlDeviceGetTotalEccErrors, handle, kind, since)
        return f"{errors} uncorrected ECC errors since the driver was loaded" if errors else None

    def _listen_for_xids(self) -> Any:
        events = self._ask(self._nvml.nvmlEventSetCreate)
        for handle in self._handles if events is not None else ():
            self._ask(self._nvml.nvmlDeviceRegisterEvents, handle, self._nvml.nvmlEventTypeXidCriticalError, events)
        return events

    def _take_xids(self) -> None:
        while self._events is not None:
            event = self._ask(self._nvml.nvmlEventSetWait_v2, self._events, 0)  # milliseconds
            if event is None:
                return  # it raises NVMLError_Timeout when there is none
            uuid = _text(self._nvml.nvmlDeviceGetUUID(event.device))
            if event.eventData in FATAL_XIDS:
                self._faults.setdefault(uuid, f"XID {event.eventData}: {FATAL_XIDS[event.eventData]}")

    def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return question(*arguments)
        except self._nvml.NVMLError:
            return None


def find_gpus(hostname: str, num_gpus: int) -> GpuReader:
    """Return the reader of this machine's GPUs, or of logical ones where there is none and Ray was told of some.

    Args:
        hostname: of this machine.
        num_gpus: how many Ray was told of.
    """
    return NvidiaGpus.open() or LogicalGpus(hostname, num_gpus)


def started_by_ray(pid: int) -> bool:
    """Whether Ray started this process: a raylet is among its ancestors, or was when its environment was made."""
    try:
        process = psutil.Process(pid)
        if "RAY_RAYLET_PID" in process.environ():
            return True
        return any(ancestor.name() == "raylet" for ancestor in process.parents())
    except psutil.Error:
        return False  # gone, of another user, or of another container


def _describe(pid: int) -> dict[str, str]:
    """Return user and name of a process, as far as they can be seen."""
    try:
        process = psutil.Process(pid)
        return {"user": process.username(), "name": process.name()}
    except (psutil.Error, KeyError):  # of a user that this container does not know
        return {}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
