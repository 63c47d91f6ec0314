"""What the contestants work on: the same photos at the network's size, and the same weights in each one's form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecli.errors import InputError, WeightsError
from posecli.networks.build import build_network
from posecli.networks.spec import SPECS, ModelSpec
from posecli.opencv import cv2
from posecli.sources import read_image
from posecli.weights import checkpoint
from posecli.weights.checkpoint import Checkpoint
from posecli.weights.convert import convert
from posecli.weights.store import bundled_path, find
from posecli.weights.tfjs import read_model

SUFFIXES = {".jpg", ".jpeg", ".png"}
FILLING = 1e-3  # standard deviation of the weights that a made-up model has beside those of the bundled one
_LAYER = re.compile(r"(?:Conv2d_(\d+)(?:_(depthwise|pointwise))?|(heatmap|offset|displacement_\wwd)_2)/")


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of a scenario."""

    path: Path  # safetensors
    spec: ModelSpec
    account: str  # where they come from, for the page


def pictures(folder: Path) -> list[Path]:
    """The photos of a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def stretch(photos: Sequence[Path], input_hw: tuple[int, int], folder: Path, count: int, suffix: str) -> str:
    """Write `count` photos stretched to the network's input, going round as often as it takes. The folder."""
    height, width = input_hw
    folder.mkdir()
    for index in range(count):
        photo = photos[index % len(photos)]
        image = cv2.resize(read_image(photo, photo.name), (width, height), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{index:05}{suffix}"), image[..., ::-1])
    return str(folder)


def get_weights(name: str, folder: Path, tfjs_models: Path) -> Weights:
    """Weights of a model by its name: installed or bundled, else converted from TF.js, else made up, in `folder`."""
    spec = next(spec for spec in SPECS if spec.name == name)
    path = folder / f"{name}.safetensors"
    try:
        return Weights(find(name), spec, "the official weights")
    except WeightsError:
        pass
    try:
        made, account = Checkpoint.of(convert(read_model(graph_of(spec, tfjs_models)))), "the official weights"
    except (WeightsError, InputError):
        bundled = checkpoint.load(bundled_path())
        made = Checkpoint(spec, made_up(spec, bundled.state_dict), MappingProxyType({}))
        account = "weights made up in the official shapes: those of 0.75 as far as they go, the rest small noise"
    checkpoint.save(path, made)
    return Weights(path, spec, account)


def made_up(spec: ModelSpec, known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of another width: `known` in the corner of each tensor, cut off where it is larger, noise around it.

    A wider network then finds about the people that the known one finds, so that its decoder has the usual work.
    """
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in build_network(spec).state_dict().items():
        new = torch.randn(tensor.shape, generator=generator) * FILLING
        corner = tuple(slice(min(own, other)) for own, other in zip(tensor.shape, known[name].shape, strict=True))
        new[corner] = known[name][corner]
        state[name] = new
    return state


def graph_of(spec: ModelSpec, tfjs_models: Path) -> Path:
    """The official TF.js graph of a network, in a folder laid out as Google's savedmodel/posenet/mobilenet is."""
    return tfjs_models / "float" / spec.name[-3:] / "model-stride16.json"


def write_tfjs(weights: Weights, tfjs_models: Path, folder: Path) -> str:
    """Write the official graph of a network with these weights. The path of its JSON; empty without the graph."""
    try:
        graph = json.loads(graph_of(weights.spec, tfjs_models).read_text(encoding="utf-8"))
    except OSError:
        return ""
    state = checkpoint.load(weights.path).state_dict
    entries = [entry for group in graph["weightsManifest"] for entry in group["weights"]]
    shard = folder / f"{weights.spec.name}.bin"
    shard.write_bytes(b"".join(tfjs_tensor(entry["name"], entry["shape"], state).tobytes() for entry in entries))
    graph["weightsManifest"] = [{"paths": [shard.name], "weights": entries}]
    path = folder / f"{weights.spec.name}.json"
    path.write_text(json.dumps(graph), encoding="utf-8")
    return str(path)


def tfjs_tensor(name: str, shape: Sequence[int], state: Mapping[str, Tensor]) -> NDArray[np.float32]:
    """A tensor of ours as TF.js has it under its name: biases as they are, weights as (kh, kw, in, out)."""
    found = _LAYER.search(name)
    if found is None:
        raise ValueError(f"{name}: no layer of a MobileNet PoseNet")
    block, kind, head = found.groups()
    layer = f"heads.{head}" if head else "stem" if kind is None else f"blocks.{int(block) - 1}.{kind}"
    if len(shape) == 1:
        values = state[f"{layer}.bias"].numpy()
    else:
        axes = (2, 3, 0, 1) if kind == "depthwise" else (2, 3, 1, 0)
        values = state[f"{layer}.weight"].numpy().transpose(axes)
    if values.shape != tuple(shape):
        raise ValueError(f"{name}: expected {tuple(shape)}, got {values.shape}")
    return np.ascontiguousarray(values, "<f4")
