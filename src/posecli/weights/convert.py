"""Convert a TF.js PoseNet: match its layers with ours by topology, then prove by running both that they agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from posecli.errors import ConversionError
from posecli.networks.layers import HEADS
from posecli.networks.posenet import PoseNet
from posecli.networks.spec import ModelSpec
from posecli.options import Dilation
from posecli.weights.catalog import QUANTIZATION_SUFFIXES, Quantization, identify
from posecli.weights.graph import Graph, Kind
from posecli.weights.heads import name_heads, run_heads
from posecli.weights.recognise import recognise
from posecli.weights.topology import Layer, find_layers

MAX_CHECK_ERROR = 1e-4  # largest error of a head over its largest magnitude, before the sigmoid
CHECK_SIZE = (97, 129)  # height, width: valid for every stride


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
    blob_sha1s: Mapping[str, str]  # the same paths -> SHA-1 as git has it of a blob, by which official files are known

    @property
    def official(self) -> str | None:
        """Name of the official model whose files these are, byte for byte."""
        return identify(self.blob_sha1s.values())

    @property
    def name(self) -> str:
        """Short name of this version of the network, after Google's: mobilenet-050-quant2, mobilenet-075-v1."""
        if self.official:
            return self.official
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
        if (reservation := reservation_about(self.spec, self.quantization)) is not None:
            lines.append(f"warning: {reservation}")
        return tuple(lines)


def reservation_about(spec: ModelSpec, quantization: str | None) -> str | None:
    """What to know before relying on weights that were stored so, if there is anything."""
    if spec.architecture == "mobilenet_v1" and quantization == "uint8":
        return f"8-bit MobileNet weights find hardly anybody; use {spec.name} or {spec.name}-quant2 instead"
    return None


def convert(graph: Graph) -> Conversion:
    """Convert a graph to the weights of our network.

    Raises ConversionError where anything is unknown, missing, repeated or of another shape, or where the two disagree.
    """
    layers = find_layers(graph)
    found = recognise(graph, layers)
    for name, tensor in graph.tensors.items():
        if not np.isfinite(tensor).all():
            raise ConversionError(f"{graph.source}: {name} holds values that are not finite")
    heads = name_heads(graph, layers.heads, found)
    named = {**found.layers, **{f"heads.{name}": layer for name, layer in heads.items()}}
    state_dict = _state_dict(graph, named)
    found.network.load_state_dict(state_dict, assign=True)
    check_error = _check(graph, heads, found.network)
    return Conversion(
        spec=found.spec,
        state_dict=state_dict,
        stride=found.stride,
        dilation=found.dilation,
        quantization=graph.quantization,
        kind=graph.kind,
        check_error=check_error,
        unused=graph.unused,
        source=graph.source,
        sha256s=dict(graph.sha256s),
        blob_sha1s=dict(graph.blob_sha1s),
    )


def _state_dict(graph: Graph, layers: Mapping[str, Layer]) -> dict[str, Tensor]:
    """The tensors of some layers under our names and in PyTorch's layout."""
    state_dict = {}
    for name, layer in layers.items():
        # (kh, kw, in, out) -> (out, in, kh, kw); depthwise (kh, kw, in, 1) -> (in, 1, kh, kw)
        axes = (2, 3, 0, 1) if layer.kind == "depthwise" else (3, 2, 0, 1)
        weights = np.ascontiguousarray(graph.tensors[layer.weights].transpose(axes))
        state_dict[f"{name}.weight"] = torch.from_numpy(weights)
        state_dict[f"{name}.bias"] = torch.from_numpy(graph.tensors[layer.bias].copy())
    return state_dict


def _check(graph: Graph, heads: Mapping[str, Layer], network: PoseNet) -> float:
    """Run both on the same random image. The largest error of any head over that head's largest magnitude."""
    pixels = np.random.default_rng(0).uniform(0, 255, (1, *CHECK_SIZE, 3)).astype(np.float32)
    originals = run_heads(graph, (heads[name] for name in HEADS), network, pixels)
    with torch.inference_mode():
        fields = network(network.normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
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
