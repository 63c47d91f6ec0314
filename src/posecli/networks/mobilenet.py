"""PoseNet on MobileNetV1, the second-release graph: 14 blocks, batch norm folded, four 1x1 heads."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from posecli.networks.fields import Fields
from posecli.networks.spec import ModelSpec
from posecli.options import Dilation
from posecli.skeleton import NUM_EDGES, NUM_PARTS

# Multiplier -> width after Conv2d_0 and after each of the 13 separable blocks. 0.50 and 0.75 keep the width of
# block 6 to the end and have no fifth stride; 1.00 widens, and strides, at block 12.
WIDTHS = {
    0.5: (16, 32, 64, 64, 128, 128, 256, 256, 256, 256, 256, 256, 256, 256),
    0.75: (24, 48, 96, 96, 192, 192, 384, 384, 384, 384, 384, 384, 384, 384),
    1.0: (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024),
}
STRIDED_BLOCKS = {0.5: (0, 2, 4, 6), 0.75: (0, 2, 4, 6), 1.0: (0, 2, 4, 6, 12)}

HEADS = {  # name -> channels, in the order of Fields
    "heatmap": NUM_PARTS,
    "offset": 2 * NUM_PARTS,
    "displacement_fwd": 2 * NUM_EDGES,
    "displacement_bwd": 2 * NUM_EDGES,
}


class BlockPlan(NamedTuple):
    """Stride and dilation of one block at a given output stride."""

    stride: int
    dilation: tuple[int, int]  # height, width


def plan_blocks(multiplier: float, stride: int, dilation: Dilation) -> list[BlockPlan]:
    """Turn the strides that come after `stride` is reached into dilation of the layers behind them.

    The layer that gives up its stride keeps rate 1; those that follow use the product of the strides given up. With
    `dilation="height"` the rate applies to the height only, as TF.js 2.2.2 runs the second-release graphs.
    """
    plans, reached, rate = [], 1, 1
    for block in range(len(WIDTHS[multiplier])):
        block_stride = 2 if block in STRIDED_BLOCKS[multiplier] else 1
        here = (rate, 1 if dilation == "height" else rate)
        if reached == stride:
            plans.append(BlockPlan(1, here))
            rate *= block_stride
        else:
            plans.append(BlockPlan(block_stride, here))
            reached *= block_stride
    return plans


class Separable(nn.Module):
    """3x3 depthwise, ReLU6, 1x1 pointwise, ReLU6."""

    def __init__(self, in_width: int, out_width: int, plan: BlockPlan) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_width, in_width, 3, plan.stride, padding=plan.dilation, dilation=plan.dilation, groups=in_width
        )
        self.pointwise = nn.Conv2d(in_width, out_width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_width, h, w) to (B, out_width, h / stride, w / stride)."""
        return F.relu6(self.pointwise(F.relu6(self.depthwise(x))))


class MobileNetV1(nn.Module):
    """MobileNetV1 PoseNet at one output stride. Its parameters are the same at every stride.

    Symmetric padding of 1 equals TensorFlow's SAME because every valid input side is odd: (side - 1) % stride == 0.
    """

    def __init__(self, spec: ModelSpec, stride: int = 16, dilation: Dilation = "both") -> None:
        super().__init__()
        spec.check_stride(stride)
        assert spec.multiplier is not None
        widths = WIDTHS[spec.multiplier]
        plans = plan_blocks(spec.multiplier, stride, dilation)
        self.stem = nn.Conv2d(3, widths[0], 3, plans[0].stride, padding=1)
        self.blocks = nn.ModuleList(
            Separable(i, o, plan) for i, o, plan in zip(widths[:-1], widths[1:], plans[1:], strict=True)
        )
        self.heads = nn.ModuleDict({name: nn.Conv2d(widths[-1], channels, 1) for name, channels in HEADS.items()})

    def forward(self, x: Tensor) -> Fields:
        """Map images (B, 3, H, W), RGB in [-1, 1], to `Fields` with heatmaps still as logits."""
        x = F.relu6(self.stem(x))  # (B, widths[0], H / 2, W / 2)
        for block in self.blocks:
            x = block(x)
        return Fields(*(self.heads[name](x) for name in HEADS))
