"""Samples processor, memory, disk and GPUs, the source of SYSTEM_SAMPLED; needs the package psutil."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from esper._generated.records import GpuSample

INSTALL = 'pip install "esper-grow[system]"'
_WATTS_PER_MILLIWATT = 1e-3


def can_sample() -> bool:
    """Return whether psutil is installed."""
    return find_spec("psutil") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemReading:
    """The state of the machine and of this process; the fields are those of SYSTEM_SAMPLED."""

    cpu_utilization: float
    process_cpus: float
    process_memory_bytes: int
    num_process_threads: int
    memory_used_bytes: int
    memory_total_bytes: int
    disk_free_bytes: int | None
    disk_total_bytes: int | None
    gpus: tuple[GpuSample, ...]


@final
class SystemSampler:
    """Reads the state of the machine; a reading takes about a millisecond."""

    def __init__(self, folder: Path) -> None:
        """Begin to measure the use of the processor; `folder` is on the disk whose space is read.

        Raises:
            ImportError: psutil is not installed.
            OSError: the machine cannot be read.
        """
        import psutil

        self._psutil: Any = psutil
        self._folder = folder
        self._process = psutil.Process()
        # The first call only sets the beginning of the time that the next one is about.
        psutil.cpu_percent(interval=None)
        self._process_s, self._read_at = self._process_seconds(), time.monotonic()
        self._gpus = _Gpus()

    def read(self) -> SystemReading:
        """Return the state now; the use of processors is that since the last call.

        Raises:
            OSError: the machine cannot be read.
        """
        try:
            return self._read()
        except self._psutil.Error as error:
            raise OSError(str(error)) from error

    def _read(self) -> SystemReading:
        memory = self._psutil.virtual_memory()
        free, total = self._disk()
        before_s, before_at = self._process_s, self._read_at
        self._process_s, self._read_at = self._process_seconds(), time.monotonic()
        elapsed_s = max(self._read_at - before_at, 1e-9)
        return SystemReading(
            cpu_utilization=min(100.0, max(0.0, self._psutil.cpu_percent(interval=None))),
            process_cpus=max(0.0, self._process_s - before_s) / elapsed_s,
            process_memory_bytes=self._process.memory_info().rss,
            num_process_threads=self._process.num_threads(),
            memory_used_bytes=max(0, memory.total - memory.available),
            memory_total_bytes=memory.total,
            disk_free_bytes=free,
            disk_total_bytes=total,
            gpus=self._gpus.read(),
        )

    def _process_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def _disk(self) -> tuple[int | None, int | None]:
        try:
            usage = self._psutil.disk_usage(str(self._folder))
        except OSError:
            return None, None
        return usage.free, usage.total


@final
class _Gpus:
    """The GPUs that NVIDIA's library sees; none if the library, its driver or a GPU is missing."""

    def __init__(self) -> None:
        """Open NVIDIA's library."""
        self._handles: list[Any] = []
        if find_spec("pynvml") is None:
            return
        import pynvml

        self._nvml: Any = pynvml
        with suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            for index in range(pynvml.nvmlDeviceGetCount()):
                self._handles.append(pynvml.nvmlDeviceGetHandleByIndex(index))

    def read(self) -> tuple[GpuSample, ...]:
        """Return the state of each GPU; one that cannot be read now, such as one that has failed, is left out."""
        samples = []
        for index, handle in enumerate(self._handles):
            with suppress(self._nvml.NVMLError):
                samples.append(self._read_one(index, handle))
        return tuple(samples)

    def _read_one(self, index: int, handle: Any) -> GpuSample:
        nvml = self._nvml
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        utilization = temperature = power = None
        # Not every GPU knows all of these.
        with suppress(nvml.NVMLError):
            utilization = min(100.0, float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu))
        with suppress(nvml.NVMLError):
            temperature = float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        with suppress(nvml.NVMLError):
            power = nvml.nvmlDeviceGetPowerUsage(handle) * _WATTS_PER_MILLIWATT
        return GpuSample(
            gpu=str(index),
            utilization=utilization,
            memory_used_bytes=memory.used,
            memory_total_bytes=memory.total,
            temperature=temperature,
            power=power,
        )
