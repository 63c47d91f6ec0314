"""`build_network`: the network that a `ModelSpec` names."""

from __future__ import annotations

from posecli.networks.mobilenet import MobileNetV1
from posecli.networks.posenet import PoseNet
from posecli.networks.resnet import ResNet50
from posecli.networks.spec import ModelSpec
from posecli.options import Dilation


def build_network(spec: ModelSpec, stride: int = 16, dilation: Dilation = "both") -> PoseNet:
    """The network at one output stride, weights yet to be loaded. Raises UsageError for a stride it does not have."""
    if spec.architecture == "resnet50":
        return ResNet50(spec, stride, dilation)
    return MobileNetV1(spec, stride, dilation)
