"""Networks on x86 CPUs as oneDNN runs them best: weights laid out once, sum and activation inside the convolution.

These are the operations that PyTorch's own compiler emits for a CPU. Called directly they need no compiler on the
user's machine, take any image size as it comes, and start at once.
"""

from __future__ import annotations

import platform

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posecli.networks.fields import Fields
from posecli.networks.layers import HEADS, Convolution
from posecli.networks.posenet import PoseNet

# activation -> its name and scalars in oneDNN
ACTIVATIONS: dict[str, tuple[str, list[float]]] = {
    "none": ("none", []),
    "relu": ("relu", []),
    "relu6": ("hardtanh", [0.0, 6.0]),
}


def can_fuse(dtype: torch.dtype) -> bool:
    """Whether this PyTorch has the fused operations, and this CPU the instructions for weights of this type."""
    if platform.machine().lower() not in ("x86_64", "amd64") or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and has_bfloat16())


def has_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16; where it does not, PyTorch emulates it hundreds of times slower."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(supported and supported())


def fuse(network: PoseNet) -> None:
    """Replace every convolution of a network by its fused twin, and its heads by a single convolution, in place.

    Inputs must be channels last in memory. The network can no longer be trained, saved or moved.
    """
    network.heads = FusedHeads(network.heads)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Convolution):
                setattr(module, name, FusedConvolution(child))


class FusedConvolution(nn.Module):
    """A `Convolution` as one call of oneDNN, its weights in the layout that this CPU wants."""

    def __init__(self, twin: Convolution) -> None:
        super().__init__()
        self.geometry = (list(twin.padding), list(twin.stride), list(twin.dilation), twin.groups)
        self.activation = twin.activation
        self.bias = twin.bias
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(twin.weight.detach(), *self.geometry)

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """Do what `Convolution.forward` does."""
        run = torch.ops.mkldnn._convolution_pointwise
        if plus is None:
            fused: Tensor = run(x, self.weight, self.bias, *self.geometry, *ACTIVATIONS[self.activation], "")
            return fused
        relu = "relu" if self.activation == "relu" else None  # the only one that oneDNN puts behind an addition
        fused = run.binary(x, plus, self.weight, self.bias, *self.geometry, "add", 1.0, relu, [], None)
        return F.relu6(fused) if self.activation == "relu6" else fused


class FusedHeads(nn.Module):
    """`Heads` as a single convolution: the features are read once, not four times."""

    def __init__(self, heads: nn.Module) -> None:
        super().__init__()
        parts = heads.state_dict()
        weights, biases = (torch.cat([parts[f"{name}.{kind}"] for name in HEADS]) for kind in ("weight", "bias"))
        self.convolution = Convolution(weights.shape[1], weights.shape[0], 1)
        self.convolution.weight = nn.Parameter(weights, requires_grad=False)
        self.convolution.bias = nn.Parameter(biases, requires_grad=False)

    def forward(self, x: Tensor) -> Fields:
        """Do what `Heads.forward` does."""
        return Fields(*self.convolution(x).split(list(HEADS.values()), dim=1))
