"""Ask every question, each guarded from the others."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posecli import __version__
from posecli.doctor.packages import extras, libraries
from posecli.doctor.privacy import masked, private
from posecli.doctor.report import Compute, Device, Folder, Host, Model, Problem, Report, probe
from posecli.doctor.selftest import self_test
from posecli.weights import store

if TYPE_CHECKING:
    from posecli.sources.cameras import Camera

_VARIABLES = re.compile(
    r"POSECLI_\w+|(HTTP|HTTPS|ALL|NO)_PROXY|REQUESTS_CA_BUNDLE|OMP_NUM_THREADS|CUDA_VISIBLE_DEVICES|XDG_DATA_HOME"
    r"|NUMBA_(CACHE_DIR|DISABLE_JIT)",
    re.IGNORECASE,
)


def examine() -> Report:
    """Look at this installation. Nothing is written but what numba caches, and the network is not used."""
    variables = variables_that_matter(os.environ)  # first: libraries set some of their own
    compute = probe(_compute)
    devices = ["cpu"] if isinstance(compute, Problem) else [device.name for device in compute.devices]
    return Report(
        posecli=__version__,
        host=probe(_host),
        libraries=probe(libraries),
        extras=probe(extras),
        compute=compute,
        folder=probe(_folder),
        models=probe(_models),
        variables=variables,
        cameras=probe(_cameras),
        self_tests=tuple(self_test(device) for device in devices),
    )


def variables_that_matter(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of the environment variables that change what posecli does, fit to be shown."""
    found = {}
    for name, value in sorted(environment.items()):
        if _VARIABLES.fullmatch(name):
            found[name] = private(masked(value) if name.upper().endswith(("URL", "PROXY")) else value)
    return found


def _host() -> Host:
    return Host(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        executable=private(sys.executable),
        platform=platform.platform(),
        cpus=os.cpu_count(),
        memory_bytes=_memory_bytes(),
    )


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf, and not every system these names
        return None


def _compute() -> Compute:
    import torch

    build, note = "CPU", None
    gpus: list[Device] = []
    if torch.version.cuda or torch.version.hip:
        build = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
        answer = probe(_gpus)
        if isinstance(answer, Problem):
            note = answer.problem
        else:
            gpus = answer
    if torch.backends.mps.is_available():
        gpus.append(Device("mps", "Apple GPU", None))
    return Compute(build, torch.get_num_threads(), (Device("cpu", None, None), *gpus), note)


def _gpus() -> list[Device]:
    import torch

    torch.cuda.current_device()  # where there is none, raises the reason
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [Device(f"cuda:{index}", gpu.name, gpu.total_memory) for index, gpu in enumerate(gpus)]


def _folder() -> Folder:
    path = store.home()
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    return Folder(
        path=private(str(path)),
        variable=_variable_of(path),
        exists=there == path,
        writable=there.is_dir() and os.access(there, os.W_OK | os.X_OK),
        free_bytes=shutil.disk_usage(there).free,
        unfinished_bytes=store.unfinished_bytes(),
    )


def _variable_of(home: Path) -> str | None:
    """The environment variable that puts the folder where it is."""
    if os.environ.get(store.HOME_VARIABLE):
        return store.HOME_VARIABLE
    data = os.environ.get("XDG_DATA_HOME")  # not every system minds it
    return "XDG_DATA_HOME" if data and home.is_relative_to(data) else None


def _models() -> tuple[Model, ...]:
    bundled = [_model(name, store.bundled_path(name), bundled=True) for name in store.BUNDLED]
    return (*bundled, *(_model(name, path, bundled=False) for name, path in store.installed().items()))


def _model(name: str, path: Path, *, bundled: bool) -> Model:
    size = probe(lambda: path.stat().st_size)
    checked = probe(partial(_load, path))
    problem = checked.problem if isinstance(checked, Problem) else None
    return Model(name, private(str(path)), bundled, None if isinstance(size, Problem) else size, problem)


def _load(path: Path) -> None:
    from posecli.weights import checkpoint

    checkpoint.load(path)


def _cameras() -> tuple[Camera, ...]:
    from posecli.sources.cameras import list_cameras

    return list_cameras()
