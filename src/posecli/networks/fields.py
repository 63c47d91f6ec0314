"""`Fields`: what a PoseNet says about every cell of its output grid."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Fields(NamedTuple):
    """Network output for a batch over a grid of h x w cells; cell c lies at network-input pixel c * stride."""

    heatmaps: Tensor  # (B, 17, h, w) in [0, 1], after the sigmoid
    offsets: Tensor  # (B, 34, h, w) network-input px from cell to part; 17 dy, then 17 dx
    forward: Tensor  # (B, 32, h, w) network-input px, parent -> child; 16 dy, then 16 dx
    backward: Tensor  # (B, 32, h, w) network-input px, child -> parent; 16 dy, then 16 dx
