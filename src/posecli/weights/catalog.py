"""Every PoseNet checkpoint that Google published, as data: names, addresses, sizes, hashes, what is known of each."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, NamedTuple

from posecli.download import RemoteFile
from posecli.errors import UsageError
from posecli.networks.spec import ModelSpec
from posecli.options import did_you_mean

Quantization = Literal["float32", "uint16", "uint8"]  # how the files store the weights

BASE_URL = "https://storage.googleapis.com/tfjs-models/"
RECOMMENDED = "mobilenet-100"
LICENCE = "Apache-2.0"
QUANTIZATION_SUFFIXES: Mapping[Quantization, str] = MappingProxyType(  # of names
    {"float32": "", "uint16": "-quant2", "uint8": "-quant1"}
)
MEASURED_ON = (  # what `ap` is
    "COCO keypoint AP in percent, on 162 images of val2017 with 164 annotated people, size 513, stride 16, "
    "score threshold 0.1"
)

_FOLDERS: Mapping[Quantization, str] = {"float32": "float", "uint16": "quant2", "uint8": "quant1"}
_DEFAULT_STRIDE = 16
_MULTIPLIERS = (0.5, 0.75, 1.0)


class Cost(NamedTuple):
    """What a network takes."""

    parameters: int  # weights and biases
    gflops: float  # 10^9 FLOP for an image of 513 x 513 at stride 16, a multiply-add counted as 2


COSTS: Mapping[str, Cost] = MappingProxyType(  # by network
    {
        "mobilenet-050": Cost(577_459, 1.77),
        "mobilenet-075": Cost(1_258_195, 3.82),
        "mobilenet-100": Cost(3_313_907, 9.07),
        "resnet50": Cost(23_717_107, 64.39),
    }
)
# Name -> AP as `posecli evaluate` prints it (CONTRIBUTING.md says how). The weights of the others were not at hand.
_APS: Mapping[str, float] = {
    "mobilenet-050": 20.8,
    "mobilenet-050-quant2": 21.0,
    "mobilenet-050-quant1": 0.1,
    "mobilenet-050-v1": 20.8,
    "mobilenet-075": 29.1,
    "mobilenet-075-quant2": 29.0,
    "mobilenet-075-quant1": 0.0,
    "mobilenet-075-v1": 29.1,
    "mobilenet-100-quant1": 0.0,
}
_NOTES: Mapping[str, str] = {
    "mobilenet-050-quant1": "useless: take mobilenet-050-quant2",
    "mobilenet-050-v1": "the weights of mobilenet-050",
    "mobilenet-075": "part of posecli itself",
    "mobilenet-075-quant1": "useless: take mobilenet-075-quant2",
    "mobilenet-075-v1": "the weights of mobilenet-075",
    "mobilenet-100": "the largest MobileNet",
    "mobilenet-100-quant1": "useless: take mobilenet-100-quant2",
    "mobilenet-101": "the default of the port of 2018",
    "resnet50": "the largest and slowest",
}


@dataclass(frozen=True, slots=True)
class OfficialModel:
    """A checkpoint of Google's: one set of weights, which serves every stride of its network."""

    name: str  # such as mobilenet-050-quant2
    spec: ModelSpec
    quantization: Quantization
    release: Literal[1, 2]
    graphs: Mapping[int, RemoteFile]  # output stride -> its model JSON; a first-release manifest stands under 16 only
    weights: tuple[RemoteFile, ...]  # shards, or one file for each variable
    ap: float | None  # COCO keypoint AP, in percent; None where not measured
    note: str  # a few words for tables, may be empty

    @property
    def strides(self) -> tuple[int, ...]:
        """Output strides that the weights serve once they are converted, whichever graph they came with."""
        return self.spec.strides

    @property
    def parameters(self) -> int:
        """Weights and biases of the network."""
        return COSTS[self.spec.name].parameters

    @property
    def gflops(self) -> float:
        """10^9 FLOP for an image of 513 x 513 at stride 16, a multiply-add counted as 2."""
        return COSTS[self.spec.name].gflops

    @property
    def licence(self) -> str:
        """SPDX identifier."""
        return LICENCE

    @property
    def download_bytes(self) -> int:
        """Size of all that a fetch of the model downloads."""
        return sum(file.size or 0 for file in self.files())

    def files(self, stride: int = _DEFAULT_STRIDE) -> tuple[RemoteFile, ...]:
        """The model's JSON and all its weights.

        The JSON is that of `stride`, or that of stride 16 where there is none or its hash is not known: either gives
        the same weights. Raises UsageError for a stride that the network does not have.
        """
        self.spec.check_stride(stride)
        graph = self.graphs.get(stride)
        if graph is None or graph.blob_sha1 is None:
            graph = self.graphs[_DEFAULT_STRIDE]
        return (graph, *self.weights)


def official(name: str) -> OfficialModel:
    """A model by name. Raises UsageError, with the nearest name, where there is none."""
    if name not in MODELS:
        raise UsageError(f"no official model {name!r}{did_you_mean(name, MODELS)}; list them with: posecli models")
    return MODELS[name]


def identify(blob_sha1s: Collection[str]) -> str | None:
    """The name of the model whose JSON, of any stride, and whose weights are all among these git blob SHA-1s."""
    for model in MODELS.values():
        graphs = {graph.blob_sha1 for graph in model.graphs.values()} - {None}
        weights = {file.blob_sha1 for file in model.weights}
        if weights <= set(blob_sha1s) and not graphs.isdisjoint(blob_sha1s):
            return model.name
    return None


def _models() -> Iterator[OfficialModel]:
    """In the order of a table: by network, then float, 16 bits, 8 bits, first release."""
    listed: Mapping[str, Mapping[str, tuple[int | None, str | None]]]
    listed = json.loads((files("posecli.weights") / "catalog.json").read_bytes())
    for name, spec, quantization, folder in _folders():
        remote = {file: RemoteFile(f"{folder}/{file}", *facts) for file, facts in listed[folder].items()}
        graphs = {stride: remote.pop(f"model-stride{stride}.json", None) for stride in spec.strides}
        release: Literal[1, 2] = 2
        if "manifest.json" in remote:
            graphs, release = {_DEFAULT_STRIDE: remote.pop("manifest.json")}, 1
        yield OfficialModel(
            name=name,
            spec=spec,
            quantization=quantization,
            release=release,
            graphs=MappingProxyType({stride: graph for stride, graph in graphs.items() if graph is not None}),
            weights=tuple(remote.values()),
            ap=_APS.get(name),
            note=_NOTES.get(name, ""),
        )


def _folders() -> Iterator[tuple[str, ModelSpec, Quantization, str]]:
    """Name, network, quantisation and folder of each model."""
    for multiplier in _MULTIPLIERS:
        spec, width = ModelSpec("mobilenet_v1", multiplier), f"{round(100 * multiplier):03d}"
        for kind, suffix in QUANTIZATION_SUFFIXES.items():
            yield f"{spec.name}{suffix}", spec, kind, f"savedmodel/posenet/mobilenet/{_FOLDERS[kind]}/{width}"
        yield f"{spec.name}-v1", spec, "float32", f"weights/posenet/mobilenet_v1_{width}"
    yield "mobilenet-101", ModelSpec("mobilenet_v1", 1.0), "float32", "weights/posenet/mobilenet_v1_101"
    for kind, suffix in QUANTIZATION_SUFFIXES.items():
        yield f"resnet50{suffix}", ModelSpec("resnet50", None), kind, f"savedmodel/posenet/resnet50/{_FOLDERS[kind]}"


_BY_NAME = {model.name: model for model in _models()}
MODELS: Mapping[str, OfficialModel] = MappingProxyType(_BY_NAME)
