"""`open_backend`: the backend that the options ask for, or the fastest of those that are installed."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from posecli.backends import Backend
from posecli.errors import MissingDependencyError, UsageError
from posecli.options import BackendName, EstimatorOptions, Precision
from posecli.weights.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PRECISIONS: Mapping[BackendName, Sequence[Precision]] = {
    "openvino": ("float32", "bfloat16", "int8"),
    "onnx": ("float32",),
    "torch": ("float32", "bfloat16", "float16"),
}
# On a CPU. OpenVINO and ONNX Runtime are about as fast as each other; the first starts sooner, and has int8.
FASTEST_FIRST: Sequence[BackendName] = ("openvino", "onnx", "torch")
# What each needs, with the least version that will do, as in pyproject.toml; None: any.
MODULES: Mapping[BackendName, Mapping[str, tuple[int, int] | None]] = {
    "openvino": {"openvino": (2025, 0)},
    "onnx": {"onnxruntime": None, "onnx": None, "onnxscript": None, "torch": (2, 6)},
    "torch": {"torch": None},
}


def open_backend(checkpoint: Checkpoint, options: EstimatorOptions) -> Backend:
    """Make the backend for a checkpoint at the stride, dilation, precision, device and threads of the options.

    Raises UsageError where it has no such precision or device, and MissingDependencyError, which says what to install.
    """
    name = choose(options)
    if options.precision not in PRECISIONS[name]:
        able = " or ".join(backend for backend, kinds in PRECISIONS.items() if options.precision in kinds)
        raise UsageError(f"--backend {name} has no --precision {options.precision}; use --backend {able}")
    if name != "torch" and options.device not in ("auto", "cpu"):
        raise UsageError(f"--backend {name} runs on the CPU; --device {options.device} needs --backend torch")
    if not is_installed(name):
        raise MissingDependencyError(f'--backend {name} needs an extra; run: pip install "posecli[{name}]"')
    if name == "openvino":
        from posecli.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(
            checkpoint,
            options.stride,
            options.dilation,
            precision=options.precision,
            threads=options.threads,
            calibrate=options.calibrate,
        )
    if name == "onnx":
        from posecli.backends.onnx import OnnxBackend

        return OnnxBackend(checkpoint, options.stride, options.dilation, threads=options.threads)
    from posecli.backends.torch import TorchBackend

    return TorchBackend(
        checkpoint, options.stride, options.dilation, options.device, options.threads, precision=options.precision
    )


def choose(options: EstimatorOptions) -> BackendName:
    """The backend that is asked for; for `auto` the fastest that is installed and has the precision and the device.

    Where none is installed, the first that has the precision, so that its absence can be named.
    """
    if options.backend != "auto":
        return options.backend
    able = [name for name in FASTEST_FIRST if options.precision in PRECISIONS[name]]
    if "torch" in able and not runs_on_cpu(options.device):
        return "torch"
    return next((name for name in able if is_installed(name)), able[0])


def runs_on_cpu(device: str) -> bool:
    """Whether a device, as the options name it, is the CPU here."""
    from posecli.backends.torch import resolve_device

    return resolve_device(device).type == "cpu"


def is_installed(name: BackendName) -> bool:
    """Whether what a backend needs is there, and recent enough; none of it is imported."""
    return all(
        find_spec(module) is not None and (least is None or _version(module) >= least)
        for module, least in MODULES[name].items()
    )


def _version(distribution: str) -> tuple[int, ...]:
    """The first two numbers of a version; of one that cannot be told, none."""
    try:
        numbers = re.match(r"(\d+)\.(\d+)", version(distribution))
    except PackageNotFoundError:
        return ()
    return tuple(map(int, numbers.groups())) if numbers else ()
