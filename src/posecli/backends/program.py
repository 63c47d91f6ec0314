"""`Program`: what every backend runs, from uint8 pixels to fields; the one module that is converted and exported."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posecli.networks.build import build_network
from posecli.networks.fields import Fields
from posecli.networks.posenet import PoseNet
from posecli.options import Dilation
from posecli.weights.checkpoint import Checkpoint


class Program(nn.Module):
    """A PoseNet with all that surrounds it: layout and normalisation before it, the sigmoid behind it."""

    def __init__(self, network: PoseNet) -> None:
        super().__init__()
        self.network = network
        self.dtype = torch.float32  # that the network computes in; `Fields` are float32

    def forward(self, images: Tensor) -> Fields:
        """Map images (B, H, W, 3), RGB, of any type, values in [0, 255], to `Fields`."""
        pixels = images.permute(0, 3, 1, 2).to(torch.float32)  # (B, 3, H, W), in memory channels last as they came
        logits = self.network(self.network.normalise(pixels).to(self.dtype))
        heatmaps, *rest = (head.to(torch.float32) for head in logits)
        return Fields(torch.sigmoid(heatmaps), *rest)

    def compute_in(self, dtype: torch.dtype) -> None:
        """Let the network compute in another type, in place."""
        self.network.to(dtype)
        self.dtype = dtype


def make_program(checkpoint: Checkpoint, stride: int = 16, dilation: Dilation = "both") -> Program:
    """The program of a checkpoint on the CPU, float32, without gradients. Raises UsageError for a stride it lacks."""
    with torch.device("meta"):  # the checkpoint's tensors become its own; no values are made up to be replaced
        network = build_network(checkpoint.spec, stride, dilation)
    network.load_state_dict(checkpoint.state_dict, assign=True)
    return Program(network).eval().requires_grad_(False)
