"""`Graph`: a TF.js graph as it stands, and how TF.js runs it: the reference that a conversion is checked against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from posecli.errors import ConversionError
from posecli.weights.catalog import Quantization
from posecli.weights.untrusted import listing

Padding = Literal["SAME", "VALID"]
Kind = Literal["graph-model", "first-release manifest"]

MAX_PADDING = 64  # px a side; the official graphs pad by 3, and a hostile one must not exhaust memory


@dataclass(frozen=True, slots=True)
class Attrs:
    """What a node says about itself, as TF.js reads it; the defaults are those of ops that have no such attribute."""

    strides: tuple[int, int] = (1, 1)  # height, width
    dilations: tuple[int, int] = (1, 1)  # height, width: entries 1 and 2, so [r, r, 1, 1] gives (r, 1)
    padding: Padding = "VALID"
    fused_ops: tuple[str, ...] = ()  # of a fused convolution, in order: BiasAdd, then an activation
    kernel: tuple[int, int] = (1, 1)  # of a pool: height, width


@dataclass(frozen=True, slots=True)
class Node:
    """One operation; its name is also the name of its output."""

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attrs: Attrs = field(default_factory=Attrs)


@dataclass(frozen=True)
class Graph:
    """A model as read from its files: values flow as (B, height, width, channels)."""

    nodes: tuple[Node, ...]  # each after its inputs
    tensors: Mapping[str, NDArray[Any]]  # value of each Const node, float32 or int32; convolutions (kh, kw, in, out)
    outputs: Mapping[str, str]  # name of an output -> name of its node
    source: Path  # the model.json or manifest.json
    kind: Kind
    quantization: Quantization
    sha256s: Mapping[str, str]  # path below the folder of `source` -> SHA-256, of it and everything it names
    blob_sha1s: Mapping[str, str]  # the same paths -> SHA-1 as git has it of a blob
    unused: tuple[str, ...] = ()  # variables known to play no part in pose estimation, left out of `tensors`

    def node(self, op: str) -> Node:
        """The only node of this kind. Raises ConversionError unless there is exactly one."""
        found = [node for node in self.nodes if node.op == op]
        if len(found) != 1:
            raise ConversionError(f"{self.source}: expected one {op}, got {len(found)}")
        return found[0]


def run_graph(graph: Graph, image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Run a graph on images (B, H, W, 3) as TF.js does; each output is (B, h, w, channels).

    Raises ConversionError for an operation that is not known or cannot be run on what it is given.
    """
    values = {name: torch.from_numpy(tensor) for name, tensor in graph.tensors.items()}
    values[graph.node("Placeholder").name] = torch.from_numpy(image)
    with torch.inference_mode():
        for node in graph.nodes:
            if node.op not in SOURCES:
                values[node.name] = _run_node(graph, node, [values[name] for name in node.inputs])
    return {output: values[name].numpy() for output, name in graph.outputs.items()}


def _run_node(graph: Graph, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    try:
        return OPS[node.op](node.attrs, *inputs)
    except KeyError as error:
        raise ConversionError(f"{graph.source}: unknown op {error.args[0]} at node {node.name}") from error
    except (RuntimeError, TypeError, ValueError) as error:  # shapes that do not fit, too few or too many inputs
        reason = str(error).splitlines()[0]
        raise ConversionError(f"{graph.source}: cannot run {node.op} at node {node.name}: {reason}") from error


def _conv2d(attrs: Attrs, x: Tensor, weights: Tensor, groups: int = 1) -> Tensor:
    """Convolve (B, h, w, in) with (kh, kw, in / groups, out)."""
    x = _pad_as_asked(attrs, x, (weights.shape[0], weights.shape[1]), 0.0)
    kernel = weights.permute(3, 2, 0, 1)  # (out, in / groups, kh, kw)
    y = F.conv2d(x.permute(0, 3, 1, 2), kernel, None, attrs.strides, 0, attrs.dilations, groups)
    return y.permute(0, 2, 3, 1)


def _max_pool(attrs: Attrs, x: Tensor) -> Tensor:
    """The largest value of each window of (B, h, w, channels); what padding adds is never the largest."""
    x = _pad_as_asked(attrs, x, attrs.kernel, -math.inf)
    return F.max_pool2d(x.permute(0, 3, 1, 2), attrs.kernel, attrs.strides).permute(0, 2, 3, 1)


def _pad(_: Attrs, x: Tensor, paddings: Tensor) -> Tensor:
    """Zeros around (B, h, w, channels); paddings (4, 2): before and after each of its sides."""
    (batch, height, width, channels) = read_paddings(paddings.numpy())
    if any((*batch, *channels)):
        raise ValueError(f"paddings of {batch} images and {channels} channels")
    return _pad_pixels(x, height, width, 0.0)


def read_paddings(paddings: NDArray[Any]) -> list[tuple[int, int]]:
    """Before and after each of four sides. Raises ValueError for what cannot be paddings."""
    if paddings.shape != (4, 2) or paddings.dtype != np.int32:
        raise ValueError(f"paddings of {paddings.dtype} {paddings.shape}, expected int32 (4, 2)")
    return [(before, after) for before, after in paddings.tolist()]


def _pad_as_asked(attrs: Attrs, x: Tensor, kernel: tuple[int, int], value: float) -> Tensor:
    """What `attrs.padding` puts around (B, h, w, channels) before a window of this kernel moves over it."""
    if attrs.padding == "VALID":
        return x
    height = _same_padding(x.shape[1], kernel[0], attrs.strides[0], attrs.dilations[0])
    width = _same_padding(x.shape[2], kernel[1], attrs.strides[1], attrs.dilations[1])
    return _pad_pixels(x, height, width, value)


def _pad_pixels(x: Tensor, height: tuple[int, int], width: tuple[int, int], value: float) -> Tensor:
    """Pixels of one value before and after the height and the width of (B, h, w, channels)."""
    for pixels in (*height, *width):
        if not 0 <= pixels <= MAX_PADDING:
            raise ValueError(f"padding of {pixels} px, expected 0 to {MAX_PADDING}")
    return F.pad(x, (0, 0, *width, *height), value=value)


def _same_padding(length: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """TensorFlow's SAME in pixels before and after: ceil(length / stride) outputs; an odd pixel goes after."""
    outputs = -(-length // stride)
    missing = max((outputs - 1) * stride + (kernel - 1) * dilation + 1 - length, 0)
    return missing // 2, missing - missing // 2


def _depthwise(attrs: Attrs, x: Tensor, weights: Tensor) -> Tensor:
    """Convolve each channel of (B, h, w, in) with its own kernels; weights (kh, kw, in, per channel)."""
    kh, kw, channels, per_channel = weights.shape
    return _conv2d(attrs, x, weights.reshape(kh, kw, 1, channels * per_channel), groups=channels)


def _add(_: Attrs, a: Tensor, b: Tensor) -> Tensor:
    return a + b


def _identity(_: Attrs, x: Tensor) -> Tensor:
    return x


def _relu(_: Attrs, x: Tensor) -> Tensor:
    return F.relu(x)


def _relu6(_: Attrs, x: Tensor) -> Tensor:
    return F.relu6(x)


def _fused(convolution: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A convolution followed by the operations that its node names, BiasAdd taking the third input."""

    def run(attrs: Attrs, x: Tensor, weights: Tensor, *extra: Tensor) -> Tensor:
        if attrs.fused_ops.count("BiasAdd") != len(extra):
            raise ValueError(f"{len(extra)} further inputs for {listing(attrs.fused_ops)}")
        y = convolution(attrs, x, weights)
        for op in attrs.fused_ops:
            y = y + extra[0] if op == "BiasAdd" else ACTIVATIONS[op](attrs, y)
        return y

    return run


SOURCES = ("Placeholder", "Const")  # nodes whose value is given
ACTIVATIONS: Mapping[str, Callable[..., Tensor]] = {"Relu": _relu, "Relu6": _relu6}
OPS: Mapping[str, Callable[..., Tensor]] = {  # op -> function of the node's attributes and its inputs
    **ACTIVATIONS,
    "Conv2D": _conv2d,
    "DepthwiseConv2dNative": _depthwise,
    "_FusedConv2D": _fused(_conv2d),
    "FusedDepthwiseConv2dNative": _fused(_depthwise),
    "BiasAdd": _add,
    "Add": _add,
    "AddV2": _add,
    "Identity": _identity,
    "Pad": _pad,
    "MaxPool": _max_pool,
}
