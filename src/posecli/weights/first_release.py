"""The first release of PoseNet: a manifest.json with one raw float32 file per variable, and no topology."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecli.errors import ConversionError
from posecli.weights.graph import Attrs, Graph, Node
from posecli.weights.untrusted import ModelFolder, check_name, get_name, get_shape, listing

ROOT = "MobilenetV1"
HEADS = ("heatmap_2", "offset_2", "displacement_fwd_2", "displacement_bwd_2")
# Heads at an earlier layer, and those for parts and segments: the files hold them, pose estimation never reads them.
OTHER_HEADS = re.compile(
    ROOT + r"/((heatmap|offset|displacement_fwd|displacement_bwd)_1|(partheat|partoff|segment)_[12])/(weights|biases)"
)
STRIDED_BLOCKS = (0, 2, 4, 6)  # and block 12 where it widens


def read_first_release(source: Path, manifest: Mapping[str, Any], files: ModelFolder) -> Graph:
    """Build the graph that a first-release manifest stands for: MobileNetV1 at stride 16, dilated in both directions.

    Raises ConversionError where a variable is missing, unknown, or not of the size it claims.
    """
    for name in manifest:
        check_name(name, str(source))
    unused = tuple(sorted(name for name in manifest if OTHER_HEADS.fullmatch(name)))
    shapes = {name: get_shape(manifest[name], f"{source}: {name}") for name in manifest if name not in unused}
    nodes = tuple(_nodes(shapes))
    wanted = {node.name for node in nodes if node.op == "Const"}
    if missing := sorted(wanted - shapes.keys()):
        raise ConversionError(f"{source}: missing variables: {listing(missing)}")
    if unknown := sorted(shapes.keys() - wanted):
        raise ConversionError(f"{source}: unknown variables: {listing(unknown)}")
    filenames = {name: _claim(source, name, manifest[name], shape, files) for name, shape in shapes.items()}
    tensors = {name: _read_variable(files, filenames[name], shape) for name, shape in shapes.items()}
    outputs = {f"{ROOT}/{head}": f"{ROOT}/{head}/BiasAdd" for head in HEADS}
    return Graph(
        nodes,
        tensors,
        outputs,
        source,
        "first-release manifest",
        "float32",
        files.sha256s,
        files.blob_sha1s,
        unused,
    )


def _claim(source: Path, name: str, entry: Any, shape: tuple[int, ...], files: ModelFolder) -> str:
    """Name of a variable's file, whose size is compared with the shape before anything is read."""
    filename = get_name(entry, "filename", f"{source}: {name}")
    expected, actual = 4 * math.prod(shape), files.claim(filename)
    if expected != actual:
        raise ConversionError(
            f"{source.parent / filename}: expected {expected:,} bytes, got {actual:,}; download it again"
        )
    return filename


def _read_variable(files: ModelFolder, filename: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.frombuffer(files.read(filename), "<f4").astype(np.float32).reshape(shape)


def _nodes(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Node]:
    """The network in order; where a layer of 1.00 gives up its stride, the one behind it is dilated instead."""
    yield Node("image", "Placeholder")
    yield from _layer("Conv2d_0", "Conv2D", "image", Attrs((2, 2), padding="SAME"))
    rate = 1
    for block in range(1, 14):
        stride = 2 if block in STRIDED_BLOCKS else 1
        depthwise, pointwise = f"Conv2d_{block}_depthwise", f"Conv2d_{block}_pointwise"
        before = f"{ROOT}/{'Conv2d_0' if block == 1 else f'Conv2d_{block - 1}_pointwise'}/Relu6"
        yield from _layer(
            depthwise, "DepthwiseConv2dNative", before, Attrs((stride, stride), (rate, rate), padding="SAME")
        )
        yield from _layer(pointwise, "Conv2D", f"{ROOT}/{depthwise}/Relu6", Attrs(padding="SAME"))
        if block == 12 and _widens(shapes.get(f"{ROOT}/{pointwise}/weights")):
            rate = 2
    for head in HEADS:
        yield from _layer(head, "Conv2D", f"{ROOT}/Conv2d_13_pointwise/Relu6", Attrs(padding="SAME"))


def _layer(name: str, op: str, before: str, attrs: Attrs) -> Iterator[Node]:
    """A convolution, its bias, and ReLU6 unless it is a head, with the two variables."""
    scope = f"{ROOT}/{name}"
    weights = f"{scope}/{'depthwise_weights' if op == 'DepthwiseConv2dNative' else 'weights'}"
    yield Node(weights, "Const")
    yield Node(f"{scope}/biases", "Const")
    yield Node(f"{scope}/{op}", op, (before, weights), attrs)
    yield Node(f"{scope}/BiasAdd", "BiasAdd", (f"{scope}/{op}", f"{scope}/biases"))
    if name not in HEADS:
        yield Node(f"{scope}/Relu6", "Relu6", (f"{scope}/BiasAdd",))


def _widens(shape: tuple[int, ...] | None) -> bool:
    """Whether a pointwise layer has more outputs than inputs, as block 12 of 1.00 alone has behind block 6."""
    return shape is not None and len(shape) == 4 and shape[3] > shape[2]
