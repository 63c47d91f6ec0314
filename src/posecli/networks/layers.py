"""What the networks are built of: a convolution with its activation, and heads side by side."""

from __future__ import annotations

from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from posecli.networks.fields import Fields
from posecli.skeleton import NUM_EDGES, NUM_PARTS

Activation = Literal["none", "relu", "relu6"]

HEADS = {  # name -> channels, in the order of Fields
    "heatmap": NUM_PARTS,
    "offset": 2 * NUM_PARTS,
    "displacement_fwd": 2 * NUM_EDGES,
    "displacement_bwd": 2 * NUM_EDGES,
}


class Convolution(nn.Conv2d):
    """A convolution, what is to be added to it, and an activation: what backends run as one operation."""

    def __init__(self, *arguments: Any, activation: Activation = "none", **further: Any) -> None:
        super().__init__(*arguments, **further)
        self.activation = activation

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """Map (B, in, h, w) to (B, out, h / stride, w / stride), with `plus` of that shape added before activation."""
        x = super().forward(x)
        if plus is not None:
            x = x + plus
        if self.activation == "relu6":
            return F.relu6(x)
        return F.relu(x) if self.activation == "relu" else x


class Heads(nn.ModuleDict):
    """The four 1x1 heads behind features of one width."""

    def __init__(self, width: int) -> None:
        super().__init__({name: Convolution(width, channels, 1) for name, channels in HEADS.items()})

    def forward(self, x: Tensor) -> Fields:
        """Map features (B, width, h, w) to `Fields` with heatmaps still as logits."""
        return Fields(*(self[name](x) for name in HEADS))
