"""Which network of ours the layers of a graph are, and under which of our names: structure first, then every detail."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from torch import nn

from posecli.errors import ConversionError
from posecli.networks.build import build_network
from posecli.networks.layers import HEADS
from posecli.networks.mobilenet import WIDTHS, MobileNetV1
from posecli.networks.posenet import PoseNet
from posecli.networks.resnet import BLOCKS
from posecli.networks.spec import ModelSpec
from posecli.options import Dilation
from posecli.weights.graph import Graph
from posecli.weights.topology import Layer, Layers, Pool, Step, Unit
from posecli.weights.untrusted import listing

SEPARABLE = ("depthwise", "pointwise")
MOBILENET_NAMES = ("stem", *(f"blocks.{block}.{part}" for block in range(len(WIDTHS[1.0]) - 1) for part in SEPARABLE))
BOTTLENECK = ("conv1", "conv2", "conv3")
UNIT_NAMES = tuple(f"blocks.{block}.{unit}" for block, (_, units, _) in enumerate(BLOCKS) for unit in range(units))

Pair = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Recognition:
    """The network that a graph is, but for its heads."""

    spec: ModelSpec
    stride: int  # of the graph
    dilation: Dilation | None  # of the graph; None where nothing is dilated
    network: PoseNet  # at that stride, dilated so; its parameters have shapes and no values (device meta)
    layers: Mapping[str, Layer]  # our name of each convolution of the trunk -> what it is in the graph


def recognise(graph: Graph, layers: Layers) -> Recognition:
    """Name the steps of a graph's trunk, and hold every one against the network that they make up.

    Raises ConversionError for anything that this network does not have so.
    """
    spec, steps = _name_steps(graph, layers)
    stride, dilation = _read_plan(graph, spec, steps)
    network = _outline(spec, stride, dilation or "both")
    for name, step in steps.items():
        if isinstance(step, Layer):
            check_layer(graph, name, step, network)
        elif isinstance(step, Pool):
            _check_pool(graph, name, step, network)
        else:
            _check_unit(graph, name, step, network)
    convolutions = {name: step for name, step in steps.items() if isinstance(step, Layer)}
    return Recognition(spec, stride, dilation, network, convolutions)


def check_layer(graph: Graph, name: str, layer: Layer, network: PoseNet) -> None:
    """Raise ConversionError unless a layer is what the network has under this name."""
    convolution = network.get_submodule(name)
    if not isinstance(convolution, nn.Conv2d):
        raise ConversionError(f"{graph.source}: node {layer.nodes[0]}, as {name}: a convolution where there is none")
    out, per_group, *kernel = convolution.weight.shape
    depthwise = convolution.groups > 1
    shapes = {layer.weights: (*kernel, out, per_group) if depthwise else (*kernel, per_group, out), layer.bias: (out,)}
    for tensor, shape in shapes.items():
        if graph.tensors[tensor].shape != shape or graph.tensors[tensor].dtype != np.float32:
            got = f"{graph.tensors[tensor].dtype} {graph.tensors[tensor].shape}"
            raise ConversionError(f"{graph.source}: {tensor}, as {name}: expected float32 {shape}, got {got}")
    facts = (
        ("kind", layer.kind, "depthwise" if depthwise else "full"),
        ("activation", layer.activation, _activation(name, network)),
        ("strides", layer.attrs.strides, convolution.stride),
        ("padding", _padding(layer, (kernel[0], kernel[1])), convolution.padding),
    )
    _check_facts(graph, name, layer, facts)


def _name_steps(graph: Graph, layers: Layers) -> tuple[ModelSpec, dict[str, Step]]:
    """The network that has as many steps of each sort, and our names for them, in order."""
    kinds = tuple(map(type, layers.trunk))
    if len(layers.heads) == len(HEADS):
        if kinds == (Layer,) * len(MOBILENET_NAMES):
            return _mobilenet_spec(graph, layers.trunk[0]), dict(zip(MOBILENET_NAMES, layers.trunk, strict=True))
        if kinds == (Layer, Pool, *(Unit,) * len(UNIT_NAMES)):
            return ModelSpec("resnet50", None), dict(_resnet_steps(graph, layers.trunk))
    convolutions, pools, units = (kinds.count(kind) for kind in (Layer, Pool, Unit))
    raise ConversionError(
        f"{graph.source}: not a PoseNet: {convolutions} layers, {pools} pools and {units} residual units before "
        f"{len(layers.heads)} heads; expected {len(MOBILENET_NAMES)} layers (MobileNetV1), or a layer, a pool and "
        f"{len(UNIT_NAMES)} units (ResNet50), before {len(HEADS)} heads"
    )


def _mobilenet_spec(graph: Graph, stem: Step) -> ModelSpec:
    """The MobileNetV1 whose first layer is as wide as the graph's."""
    assert isinstance(stem, Layer)
    shape = graph.tensors[stem.weights].shape
    for multiplier, widths in WIDTHS.items():
        if shape[-1:] == widths[:1]:
            return ModelSpec("mobilenet_v1", multiplier)
    known = ", ".join(f"(3, 3, 3, {widths[0]})" for widths in WIDTHS.values())
    raise ConversionError(f"{graph.source}: {stem.weights}: expected a shape of {known}; got {shape}")


def _resnet_steps(graph: Graph, trunk: tuple[Step, ...]) -> Iterator[tuple[str, Step]]:
    yield from zip(("stem", "pool"), trunk, strict=False)
    for name, unit in zip(UNIT_NAMES, trunk[2:], strict=True):
        assert isinstance(unit, Unit)
        if len(unit.main) != len(BOTTLENECK) or len(unit.shortcut) > 1:
            raise ConversionError(
                f"{graph.source}: node {unit.nodes[0]}, as {name}: it adds branches of {len(unit.main)} and "
                f"{len(unit.shortcut)} steps, expected {len(BOTTLENECK)} and at most 1"
            )
        yield from ((f"{name}.{part}", step) for part, step in zip(BOTTLENECK, unit.main, strict=True))
        yield from ((f"{name}.shortcut", step) for step in unit.shortcut)
        yield name, unit


def _read_plan(graph: Graph, spec: ModelSpec, steps: Mapping[str, Step]) -> tuple[int, Dilation | None]:
    """Output stride and dilation mode: those at which our network strides and dilates as the graph does."""
    read = {name: step for name, step in steps.items() if not isinstance(step, Unit)}
    stride = math.prod(step.attrs.strides[0] for name, step in read.items() if not name.endswith("shortcut"))
    fitting: list[Dilation] = []
    for mode in get_args(Dilation) if stride in spec.strides else ():
        ours = _plan(_outline(spec, stride, mode))
        if all((step.attrs.strides, step.attrs.dilations) == ours.get(name) for name, step in read.items()):
            fitting.append(mode)
    if not fitting:
        plain = ((1, 1), (1, 1))
        special = [
            f"{step.nodes[0]} {step.attrs.strides} {step.attrs.dilations}"
            for step in read.values()
            if (step.attrs.strides, step.attrs.dilations) != plain
        ]
        raise ConversionError(
            f"{graph.source}: strides and dilations are not those of {spec.name} at any output stride: "
            f"{listing(special, '; ')}"
        )
    return stride, fitting[0] if len(fitting) == 1 else None


def _outline(spec: ModelSpec, stride: int, dilation: Dilation) -> PoseNet:
    with torch.device("meta"):  # shapes only, no memory
        return build_network(spec, stride, dilation)


def _plan(network: PoseNet) -> dict[str, tuple[Pair, Pair]]:
    """Name of each convolution and pool -> its strides and dilations."""
    return {
        name: (_pair(module.stride), _pair(module.dilation))
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d))
    }


def _check_pool(graph: Graph, name: str, pool: Pool, network: PoseNet) -> None:
    expected = network.get_submodule(name)
    if not isinstance(expected, nn.MaxPool2d):
        raise ConversionError(f"{graph.source}: node {pool.nodes[0]}, as {name}: a pool where there is none")
    facts = (
        ("kernel", pool.attrs.kernel, _pair(expected.kernel_size)),
        ("padding", _padding(pool, pool.attrs.kernel), _pair(expected.padding)),
    )
    _check_facts(graph, name, pool, facts)


def _check_unit(graph: Graph, name: str, unit: Unit, network: PoseNet) -> None:
    bare = isinstance(network.get_submodule(f"{name}.shortcut"), nn.Identity)
    facts = (
        ("activation", unit.activation, _activation(name, network)),
        ("steps in the shortcut", len(unit.shortcut), 0 if bare else 1),
    )
    _check_facts(graph, name, unit, facts)


def _check_facts(graph: Graph, name: str, step: Step, facts: tuple[tuple[str, object, object], ...]) -> None:
    for fact, got, expected in facts:
        if got != expected:
            where = f"{graph.source}: node {step.nodes[0]}, as {name}"
            raise ConversionError(f"{where}: expected {fact} {expected}, got {got}")


def _activation(name: str, network: PoseNet) -> str | None:
    """What follows the step of this name in our network."""
    if name.startswith("heads.") or name.endswith((".conv3", ".shortcut")):
        return None
    return "Relu6" if isinstance(network, MobileNetV1) else "Relu"


def _padding(step: Layer | Pool, kernel: Pair) -> Pair:
    """Pixels on both sides of height and width: a Pad's, and those of SAME, symmetric where sides are valid.

    A pool pads with what is never the largest, a Pad with zeros: the same behind a ReLU.
    """
    if step.attrs.padding == "VALID":
        return step.pad
    (top, left), (kh, kw), (dh, dw) = step.pad, kernel, step.attrs.dilations
    return top + (kh - 1) * dh // 2, left + (kw - 1) * dw // 2


def _pair(value: int | tuple[int, ...]) -> Pair:
    """Height and width, of what PyTorch keeps as one number where they are equal."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])
