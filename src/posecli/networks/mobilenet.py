"""PoseNet on MobileNetV1, the second-release graph: 14 blocks, batch norm folded, four 1x1 heads."""

from __future__ import annotations

from torch import Tensor, nn

from posecli.networks.layers import Convolution, Heads
from posecli.networks.posenet import Plan, PoseNet, plan_strides
from posecli.networks.spec import ModelSpec
from posecli.options import Dilation

# Multiplier -> width after Conv2d_0 and after each of the 13 separable blocks. 0.50 and 0.75 keep the width of
# block 6 to the end and have no fifth stride; 1.00 widens, and strides, at block 12.
WIDTHS = {
    0.5: (16, 32, 64, 64, 128, 128, 256, 256, 256, 256, 256, 256, 256, 256),
    0.75: (24, 48, 96, 96, 192, 192, 384, 384, 384, 384, 384, 384, 384, 384),
    1.0: (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024),
}
STRIDED_BLOCKS = {0.5: (0, 2, 4, 6), 0.75: (0, 2, 4, 6), 1.0: (0, 2, 4, 6, 12)}


def plan_blocks(multiplier: float, stride: int, dilation: Dilation) -> list[Plan]:
    """Stride and dilation of Conv2d_0 and of each separable block at an output stride."""
    strides = (2 if block in STRIDED_BLOCKS[multiplier] else 1 for block in range(len(WIDTHS[multiplier])))
    return plan_strides(strides, stride, dilation)


class Separable(nn.Module):
    """3x3 depthwise, ReLU6, 1x1 pointwise, ReLU6."""

    def __init__(self, in_width: int, out_width: int, plan: Plan) -> None:
        super().__init__()
        self.depthwise = Convolution(
            in_width, in_width, 3, plan.stride, plan.dilation, plan.dilation, groups=in_width, activation="relu6"
        )
        self.pointwise = Convolution(in_width, out_width, 1, activation="relu6")

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_width, h, w) to (B, out_width, h / stride, w / stride)."""
        y: Tensor = self.pointwise(self.depthwise(x))
        return y


class MobileNetV1(PoseNet):
    """MobileNetV1 PoseNet at one output stride.

    Symmetric padding of 1 equals TensorFlow's SAME because every valid input side is odd: (side - 1) % stride == 0.
    """

    def __init__(self, spec: ModelSpec, stride: int = 16, dilation: Dilation = "both") -> None:
        super().__init__()
        spec.check_stride(stride)
        assert spec.multiplier is not None
        widths = WIDTHS[spec.multiplier]
        plans = plan_blocks(spec.multiplier, stride, dilation)
        self.stem = Convolution(3, widths[0], 3, plans[0].stride, padding=1, activation="relu6")
        self.blocks = nn.ModuleList(
            Separable(i, o, plan) for i, o, plan in zip(widths[:-1], widths[1:], plans[1:], strict=True)
        )
        self.heads = Heads(widths[-1])

    def normalise(self, pixels: Tensor) -> Tensor:
        """Map RGB floats (B, 3, H, W) in [0, 255] to [-1, 1]."""
        return pixels / 127.5 - 1.0

    def features(self, x: Tensor) -> Tensor:
        """Map images (B, 3, H, W), RGB in [-1, 1], to (B, widths[-1], h, w)."""
        x = self.stem(x)  # (B, widths[0], H / 2, W / 2)
        for block in self.blocks:
            x = block(x)
        return x
