"""The PyTorch backend: CPU first-class, fused by oneDNN; CUDA and MPS where present."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext

import torch

from posecli.backends import Images
from posecli.backends.fused import can_fuse, fuse, has_bfloat16
from posecli.backends.program import make_program
from posecli.errors import UsageError
from posecli.networks.fields import Fields
from posecli.options import Dilation, Precision
from posecli.weights.checkpoint import Checkpoint


class TorchBackend:
    """A checkpoint's network on one device, at one output stride and dilation mode.

    `threads` sets torch's intra-op threads, which are the process's. Raises UsageError for a device that is unknown or
    absent, a precision that it is not made for, or a stride that the network does not have.
    """

    name = "torch"

    def __init__(
        self,
        checkpoint: Checkpoint,
        stride: int = 16,
        dilation: Dilation = "both",
        device: str = "auto",
        threads: int | None = None,
        *,
        precision: Precision = "float32",
    ) -> None:
        self._device = resolve_device(device)
        self.device = str(self._device)
        self.precision = precision
        dtype = dtype_on(self._device, precision)
        if threads is not None:
            torch.set_num_threads(threads)
        program = make_program(checkpoint, stride, dilation).to(self._device)
        program.compute_in(dtype)
        program.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own overloads lack it
        if self._device.type == "cpu" and can_fuse(dtype):
            fuse(program.network)
        self._program = program

    def __call__(self, images: Images) -> Fields:
        """Map images (B, H, W, 3), RGB, uint8 or float32 in [0, 255], to `Fields` on the CPU."""
        with torch.inference_mode(), _true_float32(self._device):
            fields = self._program(torch.from_numpy(images).to(self._device))
            return Fields(*(field.contiguous().cpu() for field in fields))

    def shared_by(self, callers: int) -> TorchBackend:  # noqa: ARG002  # the same for any number
        """Itself: PyTorch has threads for each that calls it, as many as that one asks for."""
        return self


def resolve_device(device: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda[:n]` or `mps` into a device that is there; otherwise raise UsageError."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        raise UsageError(f"--device must be auto, cpu, cuda, cuda:N or mps; got {device!r}")
    if device.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise UsageError("--device cuda: this PyTorch sees no CUDA GPU; use --device cpu or a CUDA build of torch")
        if int(device.partition(":")[2] or 0) >= count:
            raise UsageError(f"--device {device}: there are only {count} CUDA GPUs, numbered from 0")
    if device == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: this machine or this PyTorch has no Metal GPU; use --device cpu")
    return torch.device(device)


def dtype_on(device: torch.device, precision: Precision) -> torch.dtype:
    """The type that the network computes in. Raises UsageError where the device is not made for it."""
    if precision == "int8":
        raise UsageError("--backend torch has no --precision int8; use --backend openvino")
    if device.type == "cpu" and precision == "float16":
        raise UsageError("--precision float16 is for GPUs; use bfloat16 or float32 on a CPU")
    if device.type == "cpu" and precision == "bfloat16" and not has_bfloat16():
        raise UsageError("--precision bfloat16: this CPU does not compute in it; float32 is far faster here")
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]


def _true_float32(device: torch.device) -> AbstractContextManager[None]:
    """Keep cuDNN from rounding convolutions to TF32, which moves keypoints by tenths of a pixel.

    It is a setting of the process: left alone where there is no cuDNN, as threads may run a network each there.
    """
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
