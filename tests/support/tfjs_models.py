"""TF.js models made by the tests: the inverse of a conversion, in every form that such models come in."""

import base64
import json
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecli.networks.build import build_network
from posecli.networks.spec import ModelSpec

HEADS = {"heatmap": 17, "offset": 34, "displacement_fwd": 32, "displacement_bwd": 32}
StateDict = dict[str, torch.Tensor]


@dataclass
class TfjsModel:
    """A graph model in memory, for a test to spoil and write."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict)
    signature: dict[str, Any] | None = None

    def const(self, name: str, tensor: NDArray[Any]) -> str:
        self.tensors[name] = tensor
        self.nodes.append({"name": name, "op": "Const", "attr": {"dtype": {"type": "DT_FLOAT"}}})
        return name

    def node(self, name: str, op: str, *inputs: str, **attr: Any) -> str:
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attr})
        return name

    def find(self, name: str) -> dict[str, Any]:
        return next(node for node in self.nodes if node["name"] == name)

    def renamed(self, rename: dict[str, str]) -> "TfjsModel":
        model = deepcopy(self)
        for node in model.nodes:
            node["name"] = rename.get(node["name"], node["name"])
            node["input"] = [rename.get(name, name) for name in node.get("input", [])]
        model.tensors = {rename.get(name, name): tensor for name, tensor in self.tensors.items()}
        return model

    def nameless(self, rng: np.random.Generator, keep: str = "nothing") -> "TfjsModel":
        """Every name random but for those that contain `keep`, and nodes and tensors in random order."""
        names = [node["name"] for node in self.nodes]
        labels = rng.permutation(len(names))
        rename = {name: f"n{label}" for name, label in zip(names, labels, strict=True) if keep not in name}
        model = self.renamed(rename)
        model.nodes = [model.nodes[i] for i in rng.permutation(len(model.nodes))]
        order = rng.permutation(len(model.tensors))
        model.tensors = dict([list(model.tensors.items())[i] for i in order])
        return model

    def write(self, folder: Path, quantize: str | None = None, shard_bytes: int = 500_000) -> Path:
        """Write model.json and its shards, cut every `shard_bytes` without regard to tensors."""
        folder.mkdir(parents=True, exist_ok=True)
        weights, blobs = [], []
        for name, tensor in self.tensors.items():
            entry: dict[str, Any] = {"name": name, "shape": list(tensor.shape), "dtype": str(tensor.dtype)}
            if quantize:
                low, high = float(tensor.min()), float(tensor.max())
                scale = (high - low) / np.iinfo(quantize).max or 1.0
                entry["quantization"] = {"dtype": quantize, "scale": scale, "min": low}
                tensor = np.round((tensor - low) / scale).astype(quantize)
            weights.append(entry)
            blobs.append(tensor.tobytes())
        data = b"".join(blobs)
        shards = [data[start : start + shard_bytes] for start in range(0, len(data), shard_bytes)]
        paths = [f"group1-shard{i + 1}of{len(shards)}.bin" for i in range(len(shards))]
        for path, shard in zip(paths, shards, strict=True):
            (folder / path).write_bytes(shard)
        model = {
            "format": "graph-model",
            "modelTopology": {"node": self.nodes},
            "weightsManifest": [{"paths": paths, "weights": weights}],
        }
        if self.signature:
            model["signature"] = self.signature
        (folder / "model.json").write_text(json.dumps(model))
        return folder / "model.json"


def text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}


def ints(*values: int) -> dict[str, Any]:
    return {"list": {"i": [str(value) for value in values]}}


def conv_attr(stride: int, dilation: int = 1, padding: str = "SAME") -> dict[str, Any]:
    return {
        "strides": ints(1, stride, stride, 1),
        "dilations": ints(dilation, dilation, 1, 1),  # as the official graphs have it
        "padding": text(padding),
        "data_format": text("NHWC"),
        "explicit_paddings": {"list": {}},
    }


def pool_attr(kernel: int, stride: int, padding: str) -> dict[str, Any]:
    return {
        "ksize": ints(1, kernel, kernel, 1),
        "strides": ints(1, stride, stride, 1),
        "padding": text(padding),
        "data_format": text("NHWC"),
    }


def paddings(pixels: int) -> NDArray[np.int32]:
    return np.array([[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]], np.int32)


def full(weight: torch.Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(weight.numpy().transpose(2, 3, 1, 0))


def depthwise(weight: torch.Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(weight.numpy().transpose(2, 3, 0, 1))


def layout(stride: int) -> list[tuple[str, str, bool, int, int]]:
    """Our name, the official name, depthwise, stride and dilation of each layer of 0.50 and 0.75 but the heads."""
    layers = [("stem", "Conv2d_0", False, 2, 1)]
    for block in range(1, 14):
        block_stride = 2 if block in ((2, 4, 6) if stride == 16 else (2, 4)) else 1
        dilation = 2 if stride == 8 and block > 6 else 1
        layers.append((f"blocks.{block - 1}.depthwise", f"Conv2d_{block}_depthwise", True, block_stride, dilation))
        layers.append((f"blocks.{block - 1}.pointwise", f"Conv2d_{block}_pointwise", False, 1, 1))
    return layers


def build_model(state_dict: StateDict, stride: int = 16, fused: bool = False) -> TfjsModel:
    """The graph model that converts to a state dict, under the official names."""
    model = TfjsModel()
    value = model.node("sub_2", "Placeholder")
    for ours, official, is_depthwise, layer_stride, dilation in layout(stride):
        attr = conv_attr(layer_stride, dilation)
        value = _layer(model, state_dict, ours, official, value, is_depthwise, attr, fused, activation="Relu6")
    return _with_heads(model, state_dict, value, HEADS, fused)


def build_resnet(state_dict: StateDict, stride: int = 32, fused: bool = False) -> TfjsModel:
    """The graph model of ResNet50 that converts to a state dict, as the official ones are made."""
    model = TfjsModel()
    model.const("Pad/paddings", paddings(3))
    shared = model.const("Pad_1/paddings", paddings(1))  # by all Pads but the first

    def layer(name: str, value: str, attr: dict[str, Any], activation: str | None = "Relu") -> str:
        return _layer(model, state_dict, name, name, value, False, attr, fused, activation)

    value = model.node("Pad", "Pad", model.node("sub_2", "Placeholder"), "Pad/paddings")
    value = model.node("Pad_1", "Pad", layer("stem", value, conv_attr(2, 1, "VALID")), shared)
    value = model.node("pool", "MaxPool", value, **pool_attr(3, 2, "VALID"))
    for block, units in enumerate((3, 4, 6, 3)):
        rate = 2 if stride == 16 and block == 3 else 1
        for unit in range(units):
            name = f"blocks.{block}.{unit}"
            last = block < 3 and unit == units - 1
            step = 2 if last and not (stride == 16 and block == 2) else 1
            shortcut = value
            if last:
                shortcut = model.node(f"{name}.shortcut", "MaxPool", value, **pool_attr(1, step, "SAME"))
            y = layer(f"{name}.conv1", value, conv_attr(1))
            if last:
                y = model.node(f"{name}.pad", "Pad", y, shared)
            y = layer(f"{name}.conv2", y, conv_attr(step, rate, "VALID" if last else "SAME"))
            y = layer(f"{name}.conv3", y, conv_attr(1), None)
            if unit == 0:
                shortcut = layer(f"{name}.shortcut", value, conv_attr(1), None)
            y = model.node(f"{name}.add", "Add", *((y, shortcut) if last or unit == 0 else (shortcut, y)))
            value = model.node(f"{name}.relu", "Relu", y)
    return _with_heads(model, state_dict, value, ("displacement_fwd", "displacement_bwd", "offset", "heatmap"), fused)


def _with_heads(model: TfjsModel, state_dict: StateDict, value: str, heads: Iterable[str], fused: bool) -> TfjsModel:
    for head in heads:
        _layer(model, state_dict, f"heads.{head}", f"{head}_2", value, False, conv_attr(1), fused, activation=None)
    return model


def _layer(
    model: TfjsModel,
    state_dict: StateDict,
    ours: str,
    official: str,
    value: str,
    is_depthwise: bool,
    attr: dict[str, Any],
    fused: bool,
    activation: str | None,
) -> str:
    weight = state_dict[f"{ours}.weight"]
    weights = model.const(f"{official}/weights", depthwise(weight) if is_depthwise else full(weight))
    bias = model.const(f"{official}/bias", state_dict[f"{ours}.bias"].numpy())
    if fused:
        op = "FusedDepthwiseConv2dNative" if is_depthwise else "_FusedConv2D"
        ops = ["BiasAdd", activation] if activation else ["BiasAdd"]
        return model.node(
            f"{official}/out",
            op,
            value,
            weights,
            bias,
            **attr,
            fused_ops={"list": {"s": [text(name)["s"] for name in ops]}},
        )
    op = "DepthwiseConv2dNative" if is_depthwise else "Conv2D"
    value = model.node(f"{official}/conv", op, value, weights, **attr)
    value = model.node(f"{official}/BiasAdd", "BiasAdd", value, bias)
    return model.node(f"{official}/{activation}", activation, value) if activation else value


def write_first_release(state_dict: StateDict, folder: Path) -> Path:
    """A manifest.json with one file per variable, and the variables of a head that poses do not need."""
    variables: dict[str, NDArray[Any]] = {
        "MobilenetV1/heatmap_1/weights": np.zeros((1, 1, 8, 17), np.float32),
        "MobilenetV1/partoff_2/biases": np.zeros(34, np.float32),
    }
    heads = [(f"heads.{head}", f"{head}_2", False, 1, 1) for head in HEADS]
    for ours, official, is_depthwise, *_ in layout(16) + heads:
        kind, convert = ("depthwise_weights", depthwise) if is_depthwise else ("weights", full)
        variables[f"MobilenetV1/{official}/{kind}"] = convert(state_dict[f"{ours}.weight"])
        variables[f"MobilenetV1/{official}/biases"] = state_dict[f"{ours}.bias"].numpy()
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {}
    for name, tensor in variables.items():
        filename = name.replace("/", "_")
        (folder / filename).write_bytes(tensor.tobytes())
        manifest[name] = {"filename": filename, "shape": list(tensor.shape)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder / "manifest.json"


def random_weights(spec: ModelSpec) -> StateDict:
    """Random weights of a network, of a size that keeps values alive through all layers."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in build_network(spec).state_dict().items()}
    generator = torch.Generator().manual_seed(0)

    def scale(name: str, shape: torch.Size) -> float:
        gain = 0.3 if "conv3" in name else 1.0  # of the branch that adds to a shortcut
        return float(gain * (2 / np.prod(shape[1:])) ** 0.5) if name.endswith("weight") else 0.05

    return {name: torch.randn(shape, generator=generator) * scale(name, shape) for name, shape in shapes.items()}
