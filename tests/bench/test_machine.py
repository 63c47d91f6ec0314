import os
import platform
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from posecli import __version__
from posecli.bench import machine
from posecli.bench.machine import Machine, examine_machine, library_versions, peak_memory_bytes

QUIET = Machine("A CPU", 4, 4, "An OS", 2.0)


def test_this_machine_has_a_name_and_cpus() -> None:
    found = examine_machine()
    assert found.cpu.strip() == found.cpu != ""
    assert found.cpus == os.cpu_count()
    assert found.usable_cpus is not None
    assert found.usable_cpus >= 1
    assert found.os == platform.platform()


@pytest.mark.parametrize(("load", "busy"), [(0.0, False), (2.0, False), (2.1, True), (None, False)])
def test_busy_is_more_than_half_of_the_cpus(load: float | None, busy: bool) -> None:
    assert replace(QUIET, load_1min=load).is_busy is busy


def test_versions_name_what_is_installed_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_PACKAGES", ("numpy", "no-such-package"))
    assert library_versions() == {
        "posecli": __version__,
        "python": platform.python_version(),
        "opencv": library_versions()["opencv"],
        "numpy": np.__version__,
    }


def test_peak_memory_grows_and_stays() -> None:
    if peak_memory_bytes() is None:
        pytest.skip("this system does not say")
    # In a process of its own: its peak is what it holds, not what other tests once held.
    script = (
        "from posecli.bench.machine import peak_memory_bytes\n"
        "before = peak_memory_bytes()\n"
        "held = bytes(200_000_000)\n"
        "held = bytearray(held)\n"  # written to, so that it is really there
        "del held\n"
        "print(before, peak_memory_bytes())\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    before, after = map(int, told.split())
    assert before < 200_000_000 < after < before + 600_000_000


def test_without_proc_the_usage_of_resources_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(machine, "Path", lambda path: Path(path + " is not here"))
    monkeypatch.setattr(machine.sys, "platform", "linux")
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert peak_memory_bytes() >= 1024 * kib
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    assert peak_memory_bytes() < 1000 * kib
    monkeypatch.setattr(machine.sys, "platform", "win32")
    assert peak_memory_bytes() is None


def test_systems_that_say_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getloadavg", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(machine, "_cpu_of_linux", lambda: None)
    monkeypatch.setattr(machine, "_cpu_of_macos", lambda: None)
    monkeypatch.setattr(machine, "_cpu_of_windows", lambda: None)
    found = examine_machine()
    assert found.load_1min is None
    assert found.usable_cpus == os.cpu_count()
    assert found.cpu == (platform.processor() or platform.machine())


def test_macos_is_asked_for_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "Path", lambda path: Path(path + " is not here"))
    answer = subprocess.CompletedProcess([], 0, stdout="Apple M9\n")
    monkeypatch.setattr(machine.subprocess, "run", lambda *_, **__: answer)
    assert examine_machine().cpu == "Apple M9"


def test_windows_is_asked_for_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = ModuleType("winreg")
    registry.HKEY_LOCAL_MACHINE = 1
    registry.OpenKey = lambda *_: nullcontext("key")
    registry.QueryValueEx = lambda key, name: (f"A  CPU of {key}, {name}", 1)
    monkeypatch.setitem(sys.modules, "winreg", registry)
    monkeypatch.setattr(machine.sys, "platform", "win32")
    assert examine_machine().cpu == "A CPU of key, ProcessorNameString"


def test_a_system_that_names_no_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file", "sysctl")

    monkeypatch.setattr(machine, "Path", lambda path: Path(path + " is not here"))
    monkeypatch.setattr(machine.subprocess, "run", missing)
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert examine_machine().cpu == platform.machine()
