"""What is freed is kept. Each case is a process of its own, for the setting is the process's."""

import os
import subprocess
import sys

import pytest

from posecli import memory

# How many pages the system has to provide while four blocks of 24 MB are had, filled and given back ten times over.
PROGRAM = """
import resource
import sys
from ctypes import CDLL, c_size_t, c_void_p, memset

from posecli.memory import keep_freed_memory

print(keep_freed_memory() if sys.argv[1] == "keep" else None)
library = CDLL(None)
library.malloc.restype, library.malloc.argtypes, library.free.argtypes = c_void_p, [c_size_t], [c_void_p]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    blocks = [library.malloc(24 << 20) for _ in range(4)]
    for block in blocks:
        memset(c_void_p(block), 1, 24 << 20)
    for block in blocks:
        library.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 4 * (24 << 20) // 4096

on_glibc = pytest.mark.skipif(
    sys.platform != "linux" or not os.confstr_names.get("CS_GNU_LIBC_VERSION"), reason="glibc's allocator"
)


def run(mode: str, **environment: str) -> tuple[str, int]:
    plain = {name: value for name, value in os.environ.items() if name not in memory.CHOSEN_BY_USER}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], env={**plain, **environment}, capture_output=True, text=True, check=True
    )
    kept, faults = done.stdout.split()
    return kept, int(faults)


@on_glibc
def test_pages_are_had_once() -> None:
    kept, faults = run("keep")
    assert kept == "True"
    assert faults < 1.5 * PAGES
    _, faults_as_it_comes = run("leave")
    assert faults_as_it_comes > 5 * PAGES  # otherwise there is nothing to mend


@on_glibc
@pytest.mark.parametrize("name", memory.CHOSEN_BY_USER)
def test_the_user_chooses(name: str) -> None:
    value = "glibc.malloc.trim_threshold=131072" if name == "GLIBC_TUNABLES" else "131072"
    kept, faults = run("keep", **{name: value})
    assert kept == "False"
    assert faults > 1.5 * PAGES


def test_elsewhere_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert not memory.keep_freed_memory()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in memory.CHOSEN_BY_USER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert not memory.keep_freed_memory()
