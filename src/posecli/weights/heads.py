"""Which head of a graph is which, and the graph's own values of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from posecli.errors import ConversionError
from posecli.networks.layers import HEADS
from posecli.networks.posenet import PoseNet
from posecli.weights.displacement import is_forward_first
from posecli.weights.graph import Graph, run_graph
from posecli.weights.recognise import Recognition, check_layer
from posecli.weights.topology import Layer, names_of

DISPLACEMENTS = ("displacement_fwd", "displacement_bwd")


def name_heads(graph: Graph, heads: tuple[Layer, ...], found: Recognition) -> dict[str, Layer]:
    """Which head is which: by channels, the two displacements by their names or else by what they do.

    Raises ConversionError for heads that are not those of a PoseNet, or where nothing tells the displacements apart.
    """
    channels = [graph.tensors[layer.bias].size for layer in heads]
    if sorted(channels) != sorted(HEADS.values()):
        expected = ", ".join(map(str, HEADS.values()))
        raise ConversionError(f"{graph.source}: heads of {', '.join(map(str, channels))} channels; expected {expected}")
    heatmap, offset = (heads[channels.index(HEADS[name])] for name in ("heatmap", "offset"))
    pair = tuple(layer for layer in heads if layer not in (heatmap, offset))
    order = _order_by_names(graph, pair)
    for name, layer in zip(("heatmap", "offset", *(order or DISPLACEMENTS)), (heatmap, offset, *pair), strict=True):
        check_layer(graph, f"heads.{name}", layer, found.network)  # before anything runs
    order = order or _order_by_photo(graph, (heatmap, *pair), found)
    return {"heatmap": heatmap, "offset": offset, **dict(zip(order, pair, strict=True))}


def run_heads(
    graph: Graph, heads: Iterable[Layer], network: PoseNet, pixels: NDArray[np.float32]
) -> tuple[NDArray[np.float32], ...]:
    """The graph's own values of some heads, each (B, h, w, channels), for RGB (B, H, W, 3) in [0, 255].

    The network says how pixels are normalised.
    """
    nodes = [layer.nodes[-1] for layer in heads]
    image = network.normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    values = run_graph(replace(graph, outputs={node: node for node in nodes}), image)
    return tuple(values[node] for node in nodes)


def _order_by_names(graph: Graph, pair: tuple[Layer, ...]) -> tuple[str, ...] | None:
    """The names of the two displacement heads, where each goes by one of them."""
    named = [[name for name in DISPLACEMENTS if any(name in text for text in names_of(graph, layer))] for layer in pair]
    if sorted(named) != sorted([name] for name in DISPLACEMENTS):
        return None
    return tuple(name for (name,) in named)


def _order_by_photo(graph: Graph, heads: tuple[Layer, ...], found: Recognition) -> tuple[str, ...]:
    def run(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        return tuple(head[0] for head in run_heads(graph, heads, found.network, pixels))

    forward_first = is_forward_first(run, found.stride)
    if forward_first is None:
        raise ConversionError(
            f"{graph.source}: neither names nor values on a photo tell which of the 32-channel heads is "
            "displacement_fwd and which displacement_bwd; name their nodes so"
        )
    return DISPLACEMENTS if forward_first else DISPLACEMENTS[::-1]
