"""`PoseNet`: what every network here is, and the rule by which any of them gives up strides for a finer grid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

from posecli.networks.fields import Fields
from posecli.options import Dilation


class Plan(NamedTuple):
    """Stride and dilation of one part of a network at a given output stride."""

    stride: int
    dilation: tuple[int, int]  # height, width


def plan_strides(strides: Iterable[int], stride: int, dilation: Dilation) -> list[Plan]:
    """Turn the strides that come after the output stride is reached into dilation of what lies behind them.

    The layer that gives up its stride keeps the rate so far; those that follow use the product of the strides given
    up. With `dilation="height"` the rate applies to the height only, as TF.js 2.2.2 runs the second-release graphs.
    """
    plans, reached, rate = [], 1, 1
    for own in strides:
        here = (rate, 1 if dilation == "height" else rate)
        if reached == stride:
            plans.append(Plan(1, here))
            rate *= own
        else:
            plans.append(Plan(own, here))
            reached *= own
    return plans


class PoseNet(nn.Module, ABC):
    """A trunk of features and four 1x1 heads side by side. Its parameters are the same at every output stride."""

    heads: nn.Module  # `Heads`, or what does the same

    @abstractmethod
    def normalise(self, pixels: Tensor) -> Tensor:
        """Map RGB floats (B, 3, H, W) in [0, 255] to what `forward` takes."""

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Map normalised images (B, 3, H, W) to what the heads take, (B, width, h, w)."""

    def forward(self, x: Tensor) -> Fields:
        """Map normalised images (B, 3, H, W) to `Fields` with heatmaps still as logits."""
        fields: Fields = self.heads(self.features(x))
        return fields
