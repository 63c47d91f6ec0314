"""Convert a TF.js PoseNet on MobileNetV1: match its layers by topology, then prove by running both that they agree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posecli.errors import ConversionError
from posecli.networks.mobilenet import HEADS, WIDTHS, MobileNetV1, plan_blocks
from posecli.networks.spec import ModelSpec
from posecli.options import Dilation
from posecli.weights.displacement import is_forward_first
from posecli.weights.graph import Graph, Kind, Quantization, run_graph
from posecli.weights.topology import Layer, Layers, find_layers, names_of

MAX_CHECK_ERROR = 1e-4  # largest error of a head over its largest magnitude, before the sigmoid
CHECK_SIZE = (97, 129)  # height, width: valid for every stride
QUANTIZATION_SUFFIXES: Mapping[Quantization, str] = {"float32": "", "uint16": "-quant2", "uint8": "-quant1"}
DISPLACEMENTS = ("displacement_fwd", "displacement_bwd")


@dataclass(frozen=True)
class Conversion:
    """Weights for a network of ours, and what is known of where they come from."""

    spec: ModelSpec
    state_dict: Mapping[str, Tensor]  # of the network of `spec`, float32, the same at every stride
    stride: int  # of the graph that was read
    dilation: Dilation | None  # of that graph; None where nothing is dilated
    quantization: Quantization  # of the file; the tensors here are always float32
    kind: Kind
    check_error: float  # what the executed check found
    unused: tuple[str, ...]  # variables of the file that play no part in pose estimation
    source: Path  # the model.json or manifest.json
    sha256s: Mapping[str, str]  # path below the folder of `source` -> SHA-256, of it and everything it names

    @property
    def name(self) -> str:
        """Short name of this version of the network, after Google's: mobilenet-050-quant2, mobilenet-075-v1."""
        release = "-v1" if self.kind == "first-release manifest" else ""
        return f"{self.spec.name}{QUANTIZATION_SUFFIXES[self.quantization]}{release}"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were read."""
        return tuple(self.source.parent / name for name in self.sha256s)

    @property
    def account(self) -> tuple[str, ...]:
        """What was recognised, a line each."""
        parameters = sum(tensor.numel() for tensor in self.state_dict.values())
        dilated = {"both": "dilated in both directions", "height": "dilated in height only", None: "no dilation"}
        strides = ", ".join(map(str, self.spec.strides))
        lines = [
            f"recognised {self.name} in {self.source.name} (TF.js {self.kind})",
            f"{len(self.state_dict)} tensors, {parameters:,} parameters, stored as {self.quantization}",
            f"graph of stride {self.stride}, {dilated[self.dilation]}; its weights serve strides {strides}",
            f"largest error of the executed check {self.check_error:.1e} (limit {MAX_CHECK_ERROR:.0e})",
        ]
        if self.unused:
            lines.append(f"{len(self.unused)} variables not used for poses: {', '.join(self.unused)}")
        if self.quantization == "uint8":
            lines.append("warning: 8-bit MobileNet weights find hardly anybody; prefer the float or 16-bit model")
        return tuple(lines)


def convert(graph: Graph) -> Conversion:
    """Convert a graph to the weights of our network.

    Raises ConversionError where anything is unknown, missing, repeated or of another shape, or where the two disagree.
    """
    for name, tensor in graph.tensors.items():
        if not np.isfinite(tensor).all():
            raise ConversionError(f"{graph.source}: {name} holds values that are not finite")
    layers = find_layers(graph)
    spec = _recognise(graph, layers)
    stride, dilation = _read_plan(graph, spec, layers.trunk)
    network = MobileNetV1(spec, stride, dilation or "both")
    names = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    state_dict = _state_dict(graph, network, dict(zip(names, layers.trunk, strict=False)))  # the heads' names come last
    heads = _name_heads(graph, layers.heads, network, stride)
    state_dict |= _state_dict(graph, network, {f"heads.{name}": layer for name, layer in heads.items()})
    network.load_state_dict(state_dict)
    check_error = _check(graph, heads, network)
    return Conversion(
        spec=spec,
        state_dict=state_dict,
        stride=stride,
        dilation=dilation,
        quantization=graph.quantization,
        kind=graph.kind,
        check_error=check_error,
        unused=graph.unused,
        source=graph.source,
        sha256s=dict(graph.sha256s),
    )


def _recognise(graph: Graph, layers: Layers) -> ModelSpec:
    """The network whose first layer is as wide as the graph's. All else is held against that network."""
    expected = 2 * len(WIDTHS[1.0]) - 1  # the stem, then a depthwise and a pointwise layer per block
    if len(layers.trunk) != expected or len(layers.heads) != len(HEADS):
        raise ConversionError(
            f"{graph.source}: not a PoseNet on MobileNetV1: {len(layers.trunk)} layers and {len(layers.heads)} heads, "
            f"expected {expected} and {len(HEADS)}"
        )
    shape = graph.tensors[layers.trunk[0].weights].shape
    for multiplier, widths in WIDTHS.items():
        if shape[-1:] == widths[:1]:
            return ModelSpec("mobilenet_v1", multiplier)
    known = ", ".join(f"(3, 3, 3, {widths[0]})" for widths in WIDTHS.values())
    raise ConversionError(f"{graph.source}: {layers.trunk[0].weights}: expected a shape of {known}; got {shape}")


def _read_plan(graph: Graph, spec: ModelSpec, trunk: tuple[Layer, ...]) -> tuple[int, Dilation | None]:
    """Output stride and dilation mode: those whose plan gives every layer the stride and dilation that it has here."""
    assert spec.multiplier is not None
    read = [(layer.attrs.strides, layer.attrs.dilations) for layer in trunk]
    stride = math.prod(strides[0] for strides, _ in read)
    modes: tuple[Dilation, ...] = ("both", "height")
    fitting = []
    for mode in modes if stride in spec.strides else ():
        plans = [((plan.stride, plan.stride), plan.dilation) for plan in plan_blocks(spec.multiplier, stride, mode)]
        pointwise = ((1, 1), (1, 1))
        if read == plans[:1] + [layer for plan in plans[1:] for layer in (plan, pointwise)]:
            fitting.append(mode)
    if not fitting:
        spatial = "; ".join(f"{strides} {dilations}" for strides, dilations in (read[0], *read[1::2]))
        raise ConversionError(
            f"{graph.source}: strides and dilations are not those of {spec.name} at any output stride: {spatial}"
        )
    return stride, fitting[0] if len(fitting) == 1 else None


def _state_dict(graph: Graph, network: MobileNetV1, layers: Mapping[str, Layer]) -> dict[str, Tensor]:
    """The tensors of some layers under our names and in PyTorch's layout, checked against those of the network."""
    state_dict = {}
    for name, layer in layers.items():
        _check_layer(graph, name, layer, network)
        # (kh, kw, in, out) -> (out, in, kh, kw); depthwise (kh, kw, in, 1) -> (in, 1, kh, kw)
        axes = (2, 3, 0, 1) if layer.kind == "depthwise" else (3, 2, 0, 1)
        weights = np.ascontiguousarray(graph.tensors[layer.weights].transpose(axes))
        state_dict[f"{name}.weight"] = torch.from_numpy(weights)
        state_dict[f"{name}.bias"] = torch.from_numpy(graph.tensors[layer.bias].copy())
    return state_dict


def _check_layer(graph: Graph, name: str, layer: Layer, network: MobileNetV1) -> None:
    """Raise ConversionError unless a layer is what the network has under this name."""
    convolution = network.get_submodule(name)
    assert isinstance(convolution, nn.Conv2d)
    out, per_group, *kernel = convolution.weight.shape
    depthwise = convolution.groups > 1
    shapes = {layer.weights: (*kernel, out, per_group) if depthwise else (*kernel, per_group, out), layer.bias: (out,)}
    for tensor, shape in shapes.items():
        if graph.tensors[tensor].shape != shape or graph.tensors[tensor].dtype != np.float32:
            got = f"{graph.tensors[tensor].dtype} {graph.tensors[tensor].shape}"
            raise ConversionError(f"{graph.source}: {tensor}, as {name}: expected float32 {shape}, got {got}")
    head = name.startswith("heads.")
    facts = (
        ("kind", layer.kind, "depthwise" if depthwise else "full"),
        ("activation", layer.activation, None if head else "Relu6"),
        ("strides", layer.attrs.strides, convolution.stride),
        ("padding", layer.attrs.padding if kernel != [1, 1] else "SAME", "SAME"),  # 1x1 needs none
    )
    for fact, got_fact, expected in facts:
        if got_fact != expected:
            where = f"{graph.source}: node {layer.nodes[0]}, as {name}"
            raise ConversionError(f"{where}: expected {fact} {expected}, got {got_fact}")


def _name_heads(graph: Graph, heads: tuple[Layer, ...], network: MobileNetV1, stride: int) -> dict[str, Layer]:
    """Which head is which: by channels, the two displacements by their names or else by what they do."""
    channels = [graph.tensors[layer.bias].size for layer in heads]
    if sorted(channels) != sorted(HEADS.values()):
        expected = ", ".join(map(str, HEADS.values()))
        raise ConversionError(f"{graph.source}: heads of {', '.join(map(str, channels))} channels; expected {expected}")
    heatmap, offset = (heads[channels.index(HEADS[name])] for name in ("heatmap", "offset"))
    pair = [layer for layer in heads if layer not in (heatmap, offset)]
    named = [[name for name in DISPLACEMENTS if any(name in text for text in names_of(graph, layer))] for layer in pair]
    if sorted(named) != sorted([name] for name in DISPLACEMENTS):
        for name, layer in zip(("heatmap", "offset", *DISPLACEMENTS), (heatmap, offset, *pair), strict=True):
            _check_layer(graph, f"heads.{name}", layer, network)  # before anything runs; either displacement will do
        named = [[name] for name in _order_displacements(graph, (heatmap, *pair), stride)]
    displacements = {name: layer for (name,), layer in zip(named, pair, strict=True)}
    return {"heatmap": heatmap, "offset": offset, **displacements}


def _order_displacements(graph: Graph, heads: tuple[Layer, ...], stride: int) -> tuple[str, str]:
    def run(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        return tuple(head[0] for head in _run_heads(graph, heads, image))

    forward_first = is_forward_first(run, stride)
    if forward_first is None:
        raise ConversionError(
            f"{graph.source}: neither names nor values on a photo tell which of the 32-channel heads is "
            "displacement_fwd and which displacement_bwd; name their nodes so"
        )
    forward, backward = DISPLACEMENTS
    return (forward, backward) if forward_first else (backward, forward)


def _run_heads(graph: Graph, heads: Iterable[Layer], image: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """The graph's own values of some heads, each (B, h, w, channels), for images (B, H, W, 3)."""
    nodes = [layer.nodes[-1] for layer in heads]
    values = run_graph(replace(graph, outputs={node: node for node in nodes}), image)
    return tuple(values[node] for node in nodes)


def _check(graph: Graph, heads: Mapping[str, Layer], network: MobileNetV1) -> float:
    """Run both on the same random image. The largest error of any head over that head's largest magnitude."""
    image = np.random.default_rng(0).uniform(-1, 1, (1, *CHECK_SIZE, 3)).astype(np.float32)
    originals = _run_heads(graph, (heads[name] for name in HEADS), image)
    with torch.inference_mode():
        fields = network(torch.from_numpy(image).permute(0, 3, 1, 2))
    worst = 0.0
    for name, original, field in zip(HEADS, originals, fields, strict=True):
        converted = field.permute(0, 2, 3, 1).numpy()
        with np.errstate(all="ignore"):
            error = float(np.abs(converted - original).max() / np.abs(original).max())
        if not error < MAX_CHECK_ERROR:  # also where it is not a number
            raise ConversionError(
                f"{graph.source}: the executed check failed: {name} of the converted network is off by {error:.1e} "
                f"of its largest magnitude (limit {MAX_CHECK_ERROR:.0e})"
            )
        worst = max(worst, error)
    return worst
