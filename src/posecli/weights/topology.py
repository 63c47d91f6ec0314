"""The layers of a graph, found by following its values from the input to the heads; names decide nothing here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from posecli.errors import ConversionError
from posecli.weights.graph import ACTIVATIONS, OPS, SOURCES, Attrs, Graph, Node

CONVOLUTIONS: dict[str, Literal["full", "depthwise"]] = {
    "Conv2D": "full",
    "_FusedConv2D": "full",
    "DepthwiseConv2dNative": "depthwise",
    "FusedDepthwiseConv2dNative": "depthwise",
}
BIAS_OPS = ("BiasAdd", "Add", "AddV2")


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution with its bias and activation, written as up to three nodes or fused into one."""

    kind: Literal["full", "depthwise"]
    weights: str  # names of its two tensors
    bias: str
    activation: str | None  # Relu, Relu6
    attrs: Attrs
    nodes: tuple[str, ...]  # in order; the last gives the layer's output


@dataclass(frozen=True, slots=True)
class Layers:
    """A network as a chain of layers that ends in several, the heads, side by side."""

    trunk: tuple[Layer, ...]
    heads: tuple[Layer, ...]

    def __iter__(self) -> Iterator[Layer]:
        yield from self.trunk
        yield from self.heads


def find_layers(graph: Graph) -> Layers:
    """Follow the values from the placeholder to where they branch.

    Raises ConversionError unless every node and every tensor has its place, exactly once.
    """
    for node in graph.nodes:
        if "BatchNorm" in node.op:
            raise ConversionError(f"{graph.source}: batch norm at node {node.name} is not folded; export it folded")
        if node.op not in OPS and node.op not in SOURCES:
            raise ConversionError(f"{graph.source}: unknown op {node.op} at node {node.name}")
    walk = _Walk(graph)
    value, trunk = graph.node("Placeholder").name, list[Layer]()
    while len(layers := [walk.layer(node) for node in walk.consumers(value)]) == 1:
        trunk += layers
        value = layers[0].nodes[-1]
    found = Layers(tuple(trunk), tuple(layers))
    _check_all_used(graph, found)
    return found


def names_of(graph: Graph, layer: Layer) -> list[str]:
    """All names that a layer goes by: of its nodes and tensors, of Identity nodes behind them, of outputs."""
    origin = _origins(graph)
    own = {layer.weights, layer.bias, *layer.nodes}
    outputs = [output for output, node in graph.outputs.items() if origin[node] in own]
    return [*outputs, *(name for name, node in origin.items() if node in own)]


def _origins(graph: Graph) -> dict[str, str]:
    """For each node, the node whose value it passes on: itself but for Identity."""
    origin: dict[str, str] = {}
    for node in graph.nodes:
        origin[node.name] = origin[node.inputs[0]] if node.op == "Identity" else node.name
    return origin


class _Walk:
    """A graph without its Identity nodes."""

    def __init__(self, graph: Graph) -> None:
        self.source = graph.source
        origin = _origins(graph)
        self.nodes = {
            node.name: replace(node, inputs=tuple(origin[name] for name in node.inputs))
            for node in graph.nodes
            if node.op != "Identity"
        }

    def consumers(self, value: str) -> list[Node]:
        return [node for node in self.nodes.values() if value in node.inputs]

    def layer(self, node: Node) -> Layer:
        """The layer that begins with a node, however much of it is fused."""
        if node.op not in CONVOLUTIONS:
            raise ConversionError(f"{self.source}: {node.op} at node {node.name}, where a convolution should be")
        nodes, fused = [node], list(node.attrs.fused_ops)
        bias = self.constant(node, 2) if "BiasAdd" in fused else None
        if not fused and (add := self.next(nodes[-1], BIAS_OPS)):
            bias = self.constant(add, 1 - add.inputs.index(node.name))
            nodes.append(add)
        if bias is None:
            raise ConversionError(f"{self.source}: the convolution at node {node.name} has no bias")
        activation = next((op for op in fused if op != "BiasAdd"), None)
        if activation is None and (act := self.next(nodes[-1], ACTIVATIONS)):
            activation = act.op
            nodes.append(act)
        names = tuple(step.name for step in nodes)
        return Layer(CONVOLUTIONS[node.op], self.constant(node, 1), bias, activation, node.attrs, names)

    def next(self, node: Node, ops: Collection[str]) -> Node | None:
        """The one node that takes a node's value, if it is of these kinds."""
        following = self.consumers(node.name)
        return following[0] if len(following) == 1 and following[0].op in ops else None

    def constant(self, node: Node, position: int) -> str:
        """The tensor at an input of a node."""
        name = node.inputs[position] if position < len(node.inputs) else None
        if name is None or self.nodes[name].op != "Const":
            raise ConversionError(f"{self.source}: input {position} of {node.op} at node {node.name} is no constant")
        return name


def _check_all_used(graph: Graph, layers: Layers) -> None:
    used = Counter(name for layer in layers for name in (layer.weights, layer.bias))
    if repeated := [name for name, times in used.items() if times > 1]:
        raise ConversionError(f"{graph.source}: tensors used more than once: {', '.join(repeated)}")
    if unused := sorted(graph.tensors.keys() - used.keys()):
        raise ConversionError(f"{graph.source}: tensors that no layer uses: {', '.join(unused)}")
    visited = {name for layer in layers for name in layer.nodes}
    passed = (*SOURCES, "Identity")
    if left := [node for node in graph.nodes if node.op not in passed and node.name not in visited]:
        where = ", ".join(f"{node.op} at node {node.name}" for node in left)
        raise ConversionError(f"{graph.source}: not part of a PoseNet: {where}")
