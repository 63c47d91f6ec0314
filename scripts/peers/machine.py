"""What the machine is, as far as the figures depend on it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

RELEVANT = (  # flags of /proc/cpuinfo: vectors, and what bfloat16 and int8 are fast with
    "avx", "avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8",
    "asimd", "asimddp", "bf16", "i8mm", "sve",
)  # fmt: skip


def describe_cpu(cpuinfo: str) -> tuple[str, tuple[str, ...]]:
    """The name of the CPU and those of its instruction sets that matter, by the text of Linux's /proc/cpuinfo."""
    known: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        known.setdefault(name.strip(), value.strip())
    flags = known.get("flags", known.get("Features", "")).split()
    return known.get("model name", ""), tuple(flag for flag in RELEVANT if flag in flags)


def this_cpu() -> tuple[str, tuple[str, ...]]:
    """The name and the instruction sets of the CPU here; outside Linux, what Python knows."""
    path = Path("/proc/cpuinfo")
    name, instructions = describe_cpu(path.read_text(encoding="utf-8")) if path.exists() else ("", ())
    return name or platform.processor() or platform.machine(), instructions


def cores() -> int:
    """The logical cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_average() -> float:
    """The load of the last minute; NaN where the system keeps none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
