"""Where a measurement was taken: the machine, the libraries, how busy it was, and the memory this process took."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from posecli import __version__

_PACKAGES = ("torch", "openvino", "nncf", "onnxruntime", "numpy", "numba")  # beside OpenCV, which has several


@dataclass(frozen=True, slots=True)
class Machine:
    """The computer."""

    cpu: str  # its model, such as AMD EPYC 7B13
    cpus: int | None  # logical ones, of the whole machine
    usable_cpus: int | None  # of these, those that this process may run on
    os: str
    load_1min: float | None  # processes that wanted to run, in the minute before the measurement

    @property
    def is_busy(self) -> bool:
        """Whether others took so much of the machine before the measurement that it cannot be trusted."""
        return self.load_1min is not None and self.cpus is not None and self.load_1min > self.cpus / 2


def examine_machine() -> Machine:
    """Look at this machine; before the measurement, whose own load must not count."""
    return Machine(_cpu(), os.cpu_count(), _usable_cpus(), platform.platform(), _load())


def library_versions() -> dict[str, str]:
    """The versions of posecli, Python and each library that the figures depend on, as far as it is installed."""
    from posecli.opencv import cv2

    found = {"posecli": __version__, "python": platform.python_version(), "opencv": cv2.__version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def peak_memory_bytes() -> int | None:
    """The most memory that this process has had resident since it started; None where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _peak_of_usage()
    # Not ru_maxrss, which on Linux remembers the size of the process that started this one.
    peak = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return 1024 * int(peak[1]) if peak else _peak_of_usage()


def _peak_of_usage() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # bytes there, KiB on every other Unix


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has none
        return None


def _usable_cpus() -> int | None:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has it
        return os.cpu_count()


def _cpu() -> str:
    """The model of the CPU; where the system does not name it, its architecture."""
    name = _cpu_of_windows() or _cpu_of_linux() or _cpu_of_macos()
    return " ".join((name or platform.processor() or platform.machine()).split())


def _cpu_of_windows() -> str | None:
    if sys.platform == "win32":
        import winreg

        key = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as processor:
            return str(winreg.QueryValueEx(processor, "ProcessorNameString")[0])
    return None


def _cpu_of_linux() -> str | None:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    name = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)  # ARM boards have the others
    return name[1] if name else None


def _cpu_of_macos() -> str | None:
    try:
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout
