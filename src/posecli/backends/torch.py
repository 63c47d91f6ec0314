"""The PyTorch backend: CPU first-class, CUDA and MPS where present. float32 throughout."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager

import torch

from posecli.backends import Images
from posecli.errors import UsageError
from posecli.networks.build import build_network
from posecli.networks.fields import Fields
from posecli.options import Dilation
from posecli.weights.checkpoint import Checkpoint


class TorchBackend:
    """A checkpoint's network on one device, at one output stride and dilation mode.

    `threads` sets torch's intra-op threads, which are the process's. Raises UsageError for a device that is unknown or
    absent, or a stride that the network does not have.
    """

    name = "torch"

    def __init__(
        self,
        checkpoint: Checkpoint,
        stride: int = 16,
        dilation: Dilation = "both",
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        self._device = resolve_device(device)
        self.device = str(self._device)
        if threads is not None:
            torch.set_num_threads(threads)
        with torch.device("meta"):  # the checkpoint's tensors become its own; no values are made up to be replaced
            network = build_network(checkpoint.spec, stride, dilation)
        network.load_state_dict(checkpoint.state_dict, assign=True)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own overloads lack it
        self._network = network.eval().requires_grad_(False).to(self._device)

    def __call__(self, images: Images) -> Fields:
        """Map images (B, H, W, 3), RGB, uint8 or float32 in [0, 255], to `Fields` on the CPU."""
        with torch.inference_mode(), _true_float32():
            pixels = torch.from_numpy(images).to(self._device).permute(0, 3, 1, 2)  # (B, 3, H, W), channels last
            logits = self._network(self._network.normalise(pixels.to(torch.float32)))
            fields = logits._replace(heatmaps=torch.sigmoid(logits.heatmaps))
            return Fields(*(field.contiguous().cpu() for field in fields))


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


def _true_float32() -> AbstractContextManager[None]:
    """Keep cuDNN from rounding convolutions to TF32, which moves keypoints by tenths of a pixel."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
