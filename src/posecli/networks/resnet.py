"""PoseNet on ResNet50 (slim's resnet_v1_50): 4 blocks of bottleneck units, batch norm folded, four 1x1 heads."""

from __future__ import annotations

from torch import Tensor, nn

from posecli.networks.layers import Convolution, Heads
from posecli.networks.posenet import Plan, PoseNet, plan_strides
from posecli.networks.spec import ModelSpec
from posecli.options import Dilation

STEM_WIDTH = 64
# Bottleneck width, units, and stride of each block: its last unit has the stride, and four times the width comes out.
BLOCKS = ((64, 3, 2), (128, 4, 2), (256, 6, 2), (512, 3, 1))
EXPANSION = 4
SHIFT = (-123.15, -115.90, -103.06)  # RGB: minus the mean of ImageNet


def plan_units(stride: int, dilation: Dilation) -> list[list[Plan]]:
    """Stride and dilation of the 3x3 convolution of each unit of each block at an output stride."""
    own = [[1] * (units - 1) + [block_stride] for _, units, block_stride in BLOCKS]
    behind_stem = iter(plan_strides((2, 2, *(one for block in own for one in block)), stride, dilation)[2:])
    return [[next(behind_stem) for _ in block] for block in own]


class Bottleneck(nn.Module):
    """1x1, ReLU, 3x3, ReLU, 1x1; then the shortcut is added, ReLU.

    The stride is in the 3x3 convolution. The shortcut is a convolution where the width changes, and every stride-th
    value, taken by a 1x1 pool, in the last unit of a block that has a stride of its own (`subsampled`, even where that
    stride is given up).
    """

    def __init__(self, in_width: int, width: int, plan: Plan, subsampled: bool) -> None:
        super().__init__()
        out_width = EXPANSION * width
        self.conv1 = Convolution(in_width, width, 1, activation="relu")
        self.conv2 = Convolution(width, width, 3, plan.stride, plan.dilation, plan.dilation, activation="relu")
        self.conv3 = Convolution(width, out_width, 1, activation="relu")
        self.shortcut: nn.Module = nn.Identity()
        if in_width != out_width:
            self.shortcut = Convolution(in_width, out_width, 1)
        elif subsampled:
            self.shortcut = nn.MaxPool2d(1, plan.stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_width, h, w) to (B, 4 * width, h / stride, w / stride)."""
        y: Tensor = self.conv3(self.conv2(self.conv1(x)), plus=self.shortcut(x))
        return y


class ResNet50(PoseNet):
    """ResNet50 PoseNet at one output stride.

    Symmetric padding equals TensorFlow's because every valid input side is odd: (side - 1) % stride == 0.
    """

    def __init__(self, spec: ModelSpec, stride: int = 16, dilation: Dilation = "both") -> None:
        super().__init__()
        spec.check_stride(stride)
        self.stem = Convolution(3, STEM_WIDTH, 7, 2, padding=3, activation="relu")
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.blocks = nn.Sequential()
        in_width = STEM_WIDTH
        for (width, units, block_stride), plans in zip(BLOCKS, plan_units(stride, dilation), strict=True):
            block = nn.Sequential()
            for unit, plan in enumerate(plans):
                block.append(Bottleneck(in_width, width, plan, subsampled=block_stride > 1 and unit == units - 1))
                in_width = EXPANSION * width
            self.blocks.append(block)
        self.heads = Heads(in_width)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Map RGB floats (B, 3, H, W) in [0, 255] to about [-123, 152], undivided."""
        return pixels + pixels.new_tensor(SHIFT)[:, None, None]

    def features(self, x: Tensor) -> Tensor:
        """Map images (B, 3, H, W), RGB less their mean, to (B, 2048, h, w)."""
        x = self.pool(self.stem(x))  # (B, 64, H / 4, W / 4)
        features: Tensor = self.blocks(x)
        return features
