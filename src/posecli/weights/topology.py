"""The layers of a graph, found by following its values from the input to the heads; names decide nothing here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from posecli.errors import ConversionError
from posecli.weights.graph import ACTIVATIONS, OPS, SOURCES, Attrs, Graph, Node, read_paddings
from posecli.weights.untrusted import listing

CONVOLUTIONS: dict[str, Literal["full", "depthwise"]] = {
    "Conv2D": "full",
    "_FusedConv2D": "full",
    "DepthwiseConv2dNative": "depthwise",
    "FusedDepthwiseConv2dNative": "depthwise",
}
POOL = "MaxPool"
ADD_OPS = ("Add", "AddV2")  # of a bias, or of the two branches of a residual unit
BIAS_OPS = ("BiasAdd", *ADD_OPS)


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution with the padding before it, its bias and its activation, as up to four nodes or fused."""

    kind: Literal["full", "depthwise"]
    weights: str  # names of its two tensors
    bias: str
    activation: str | None  # Relu, Relu6
    attrs: Attrs
    pad: tuple[int, int]  # px that a Pad before it puts on both sides of height and width
    nodes: tuple[str, ...]  # in order; the last gives the layer's output


@dataclass(frozen=True, slots=True)
class Pool:
    """A max-pool with the padding before it."""

    attrs: Attrs
    pad: tuple[int, int]  # px that a Pad before it puts on both sides of height and width
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A residual unit: two branches from one value, added, and an activation."""

    main: tuple[Layer | Pool, ...]  # the longer branch
    shortcut: tuple[Layer | Pool, ...]  # empty where the value itself is added
    activation: str | None
    nodes: tuple[str, ...]  # the addition and the activation; the last gives the unit's output


Step = Layer | Pool | Unit


@dataclass(frozen=True, slots=True)
class Layers:
    """A network as a chain of steps that ends in several layers, the heads, side by side."""

    trunk: tuple[Step, ...]
    heads: tuple[Layer, ...]

    def __iter__(self) -> Iterator[Step]:
        """Every step, those inside a unit before the unit."""
        for step in self.trunk:
            if isinstance(step, Unit):
                yield from (*step.main, *step.shortcut)
            yield step
        yield from self.heads


def find_layers(graph: Graph) -> Layers:
    """Follow the values from the placeholder to where they branch for good.

    Raises ConversionError unless every node and every tensor has its place, exactly once; several Pads may share the
    tensor that says how much.
    """
    for node in graph.nodes:
        if "BatchNorm" in node.op:
            raise ConversionError(f"{graph.source}: batch norm at node {node.name} is not folded; export it folded")
        if node.op not in OPS and node.op not in SOURCES:
            raise ConversionError(f"{graph.source}: unknown op {node.op} at node {node.name}")
        if node.op == "Identity" and len(node.inputs) != 1:
            raise ConversionError(f"{graph.source}: Identity at node {node.name} has {len(node.inputs)} inputs")
    walk = _Walk(graph)
    value, trunk = graph.node("Placeholder").name, list[Step]()
    while len(following := walk.consumers[value]) in (1, 2):
        step = walk.step(following[0]) if len(following) == 1 else walk.unit(value)
        trunk.append(step)
        value = step.nodes[-1]
    found = Layers(tuple(trunk), tuple(walk.layer(node) for node in following))
    _check_all_used(graph, found, walk.paddings)
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
        self.graph = graph
        self.source = graph.source
        self.paddings = set[str]()  # tensors that Pads on the way have taken
        origin = _origins(graph)
        self.nodes = {
            node.name: replace(node, inputs=tuple(origin[name] for name in node.inputs))
            for node in graph.nodes
            if node.op != "Identity"
        }
        self.consumers = defaultdict[str, list[Node]](list)  # value -> nodes that take it
        for node in self.nodes.values():
            for name in dict.fromkeys(node.inputs):
                self.consumers[name].append(node)

    def unit(self, value: str) -> Unit:
        """The residual unit whose two branches begin with a value."""
        (one, end_of_one, join), (other, end_of_other, _) = (self.branch(value, node) for node in self.consumers[value])
        if sorted(join.inputs) != sorted((end_of_one, end_of_other)):
            raise ConversionError(f"{self.source}: the two branches behind node {value} do not meet in one addition")
        main, shortcut = sorted((one, other), key=len, reverse=True)
        activation = self.next(join, ACTIVATIONS)
        nodes = (join.name,) if activation is None else (join.name, activation.name)
        return Unit(main, shortcut, None if activation is None else activation.op, nodes)

    def branch(self, value: str, node: Node) -> tuple[tuple[Layer | Pool, ...], str, Node]:
        """One way from a value to the next addition: its steps, its last value, and the addition."""
        steps = list[Layer | Pool]()
        while node.op not in ADD_OPS:
            steps.append(self.step(node))
            value = steps[-1].nodes[-1]
            if len(following := self.consumers[value]) != 1:
                raise ConversionError(
                    f"{self.source}: node {value} leads to {len(following)} nodes, expected one addition"
                )
            node = following[0]
        return tuple(steps), value, node

    def step(self, first: Node) -> Layer | Pool:
        """The layer or the pool that begins with a node, padding included."""
        pad, node = self.pad(first)
        before = (first.name,) if node is not first else ()
        if node.op == POOL:
            return Pool(node.attrs, pad, (*before, node.name))
        if node.op not in CONVOLUTIONS:
            raise ConversionError(f"{self.source}: {node.op} at node {node.name}, where a convolution should be")
        bias, activation, behind = self.bias_and_activation(node)
        weights = self.constant(node, 1)
        nodes = (*before, node.name, *behind)
        return Layer(CONVOLUTIONS[node.op], weights, bias, activation, node.attrs, pad, nodes)

    def layer(self, first: Node) -> Layer:
        """The layer that begins with a node."""
        step = self.step(first)
        if isinstance(step, Pool):
            raise ConversionError(f"{self.source}: {POOL} at node {step.nodes[-1]}, where a convolution should be")
        return step

    def bias_and_activation(self, node: Node) -> tuple[str, str | None, tuple[str, ...]]:
        """The bias of a convolution, its activation, and the nodes behind it that these are, unless fused into it."""
        fused, behind = node.attrs.fused_ops, list[str]()
        if len(fused) > 2 or "BiasAdd" in fused[1:]:
            raise ConversionError(
                f"{self.source}: node {node.name} fuses {listing(fused)}; expected BiasAdd, activation"
            )
        bias, last = self.constant(node, 2) if "BiasAdd" in fused else None, node
        if not fused and (add := self.next(node, BIAS_OPS)):
            bias, last = self.constant(add, 1 - add.inputs.index(node.name)), add
            behind.append(add.name)
        if bias is None:
            raise ConversionError(f"{self.source}: the convolution at node {node.name} has no bias")
        activation = next(iter(fused[1:]), None)
        if activation is None and (act := self.next(last, ACTIVATIONS)):
            activation = act.op
            behind.append(act.name)
        return bias, activation, tuple(behind)

    def pad(self, node: Node) -> tuple[tuple[int, int], Node]:
        """How many pixels a node puts on both sides of height and width, and what takes them; else none, and itself."""
        if node.op != "Pad":
            return (0, 0), node
        name = self.constant(node, 1)
        try:
            batch, height, width, channels = read_paddings(self.graph.tensors[name])
        except ValueError as error:
            raise ConversionError(f"{self.source}: {name}, taken by Pad at node {node.name}: {error}") from error
        if any((*batch, *channels)) or height[0] != height[1] or width[0] != width[1]:
            paddings = ", ".join(map(str, (batch, height, width, channels)))
            raise ConversionError(
                f"{self.source}: Pad at node {node.name} adds {paddings}, expected as much on both sides of height "
                "and width alone"
            )
        padded = self.next(node, (*CONVOLUTIONS, POOL))
        if padded is None:
            raise ConversionError(f"{self.source}: Pad at node {node.name}, with no convolution or pool behind it")
        self.paddings.add(name)
        return (height[0], width[0]), padded

    def next(self, node: Node, ops: Collection[str]) -> Node | None:
        """The one node that takes a node's value, if it is of these kinds."""
        following = self.consumers[node.name]
        return following[0] if len(following) == 1 and following[0].op in ops else None

    def constant(self, node: Node, position: int) -> str:
        """The tensor at an input of a node."""
        name = node.inputs[position] if position < len(node.inputs) else None
        if name is None or self.nodes[name].op != "Const":
            raise ConversionError(f"{self.source}: input {position} of {node.op} at node {node.name} is no constant")
        return name


def _check_all_used(graph: Graph, layers: Layers, paddings: Collection[str]) -> None:
    used = Counter(name for step in layers if isinstance(step, Layer) for name in (step.weights, step.bias))
    if repeated := [name for name, times in used.items() if times > 1]:
        raise ConversionError(f"{graph.source}: tensors used more than once: {listing(repeated)}")
    if unused := sorted(graph.tensors.keys() - used.keys() - set(paddings)):
        raise ConversionError(f"{graph.source}: tensors that no layer uses: {listing(unused)}")
    visited = {name for step in layers for name in step.nodes}
    passed = (*SOURCES, "Identity")
    if left := [node for node in graph.nodes if node.op not in passed and node.name not in visited]:
        where = listing([f"{node.op} at node {node.name}" for node in left])
        raise ConversionError(f"{graph.source}: not part of a PoseNet: {where}")
