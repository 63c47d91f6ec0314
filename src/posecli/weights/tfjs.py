"""Read a TF.js model from its files: a graph model with shards beside it, or a first-release manifest."""

from __future__ import annotations

import base64
import binascii
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from posecli.errors import ConversionError, MissingPathError
from posecli.weights.catalog import Quantization
from posecli.weights.first_release import read_first_release
from posecli.weights.graph import Attrs, Graph, Node, Padding
from posecli.weights.untrusted import (
    MAX_BYTES,
    ModelFolder,
    check_name,
    get,
    get_name,
    get_shape,
    listing,
    parse_json,
    short,
    shown,
)

# How TF.js names what it stores, always little-endian.
DTYPES: Mapping[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4")}
QUANTIZED_DTYPES: Mapping[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "uint8": np.dtype("u1")}
PADDINGS = ("SAME", "VALID")
INTEGER = re.compile(r"-?[0-9]{1,18}")
CHUNK = 1 << 16  # values at once in float64, beside the tensor they belong to


def read_model(path: Path) -> Graph:
    """Read a model.json or manifest.json, or a folder that holds exactly one.

    Raises MissingPathError where there is nothing, ConversionError for whatever is not such a model.
    """
    source = _choose_file(path) if path.is_dir() else path
    if not source.is_file():
        raise MissingPathError(f"no such file or folder: {source}")
    files = ModelFolder(source.parent)
    files.claim(source.name)
    model = parse_json(files.read(source.name), source)
    if "modelTopology" in model or "weightsManifest" in model:
        return _read_graph_model(source, model, files)
    if model and all(isinstance(entry, dict) and "filename" in entry for entry in model.values()):
        return read_first_release(source, model, files)
    raise ConversionError(f"{source}: neither a TF.js graph model nor a first-release manifest; give one of these")


def _choose_file(folder: Path) -> Path:
    found = sorted(folder.glob("*.json"))
    if not found:
        raise ConversionError(f"{folder}: no model.json or manifest.json inside")
    if len(found) > 1:
        names = listing([file.name for file in found])
        shared = all(file.name.startswith("model-stride") for file in found)
        hint = "any will do, they share their weights" if shared else "which one is meant?"
        raise ConversionError(f"{folder}: several models inside: {names}; give one of these files ({hint})")
    return found[0]


def _read_graph_model(source: Path, model: Mapping[str, Any], files: ModelFolder) -> Graph:
    if model.get("format", "graph-model") != "graph-model":
        raise ConversionError(f"{source}: a TF.js {shown(model['format'])}; only 'graph-model' can be converted")
    topology = get(model, "modelTopology", dict, str(source))
    nodes = _sorted_nodes(source, [_read_node(source, entry) for entry in get(topology, "node", list, str(source))])
    groups = [_read_group(source, group, files) for group in get(model, "weightsManifest", list, str(source))]
    if (total := sum(group.decoded_size for group in groups)) > MAX_BYTES:
        raise ConversionError(
            f"{source}: tensors of {total:,} bytes are too large for a PoseNet (at most {MAX_BYTES:,})"
        )
    names = Counter(entry.name for group in groups for entry in group.entries)
    if repeated := [name for name, times in names.items() if times > 1]:
        raise ConversionError(f"{source}: two tensors are named {listing(repeated)}")
    if missing := [node.name for node in nodes if node.op == "Const" and node.name not in names]:
        raise ConversionError(f"{source}: no weights for: {listing(missing)}")
    stored = {entry.stored.name for group in groups for entry in group.entries}
    quantization: Quantization = "uint8" if "uint8" in stored else "uint16" if "uint16" in stored else "float32"
    outputs = _read_outputs(source, model, nodes)
    tensors = {name: tensor for group in groups for name, tensor in group.tensors(files)}  # last: all else was checked
    return Graph(nodes, tensors, outputs, source, "graph-model", quantization, files.sha256s, files.blob_sha1s)


def _read_node(source: Path, entry: Any) -> Node:
    name = get_name(entry, "name", f"{source}: a node")
    op = get_name(entry, "op", f"{source}: {name}")
    inputs = get(entry, "input", list, f"{source}: {name}") if entry.get("input") is not None else []
    attr = get(entry, "attr", dict, f"{source}: {name}") if "attr" in entry else {}
    try:
        attrs, taken = _read_attrs(attr), tuple(_node_of(tensor) for tensor in inputs)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ConversionError(
            f"{source}: attributes of {op} at node {name} cannot be used: {short(str(error))}"
        ) from error
    for text in (*attrs.fused_ops, *taken):
        check_name(text, f"{source}: {name}")
    return Node(name, op, taken, attrs)


def _read_attrs(attr: Mapping[str, Any]) -> Attrs:
    """Raises one of the errors that careless access to foreign JSON raises."""
    if (data_format := _text(attr, "data_format", "NHWC")) != "NHWC":
        raise ValueError(f"data_format {data_format}, expected NHWC")
    padding = _text(attr, "padding", "VALID")
    if padding not in PADDINGS:
        raise ValueError(f"padding {padding}, expected {' or '.join(PADDINGS)}")
    fused_ops = tuple(map(_decode, attr["fused_ops"]["list"].get("s", []))) if "fused_ops" in attr else ()
    kernel, strides, dilations = (_pair(attr, key) for key in ("ksize", "strides", "dilations"))
    return Attrs(strides, dilations, cast(Padding, padding), fused_ops, kernel)


def _pair(attr: Mapping[str, Any], key: str) -> tuple[int, int]:
    """Entries 1 and 2 of four: height and width, as TF.js reads them whatever was meant."""
    if key not in attr:
        return (1, 1)
    _, height, width, _ = map(_integer, attr[key]["list"]["i"])
    if not (0 < height < 1024 and 0 < width < 1024):
        raise ValueError(f"{key} of {height} x {width}")
    return height, width


def _integer(value: Any) -> int:
    """A 64-bit integer, which JSON has as text, too."""
    if type(value) is int or (isinstance(value, str) and INTEGER.fullmatch(value)):
        return int(value)
    raise ValueError(f"not an integer: {shown(value)}")


def _text(attr: Mapping[str, Any], key: str, default: str) -> str:
    return _decode(attr[key]["s"]) if key in attr else default


def _decode(encoded: str) -> str:
    """Bytes in a TF.js topology are base64."""
    try:
        return base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"not base64 text: {shown(encoded)}") from error


def _node_of(tensor: str) -> str:
    """The node that a reference names: its first output, written with or without `:0`."""
    return tensor.removesuffix(":0")


def _sorted_nodes(source: Path, nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Each after its inputs."""
    by_name = {node.name: node for node in nodes}
    if len(by_name) != len(nodes):
        repeated = next(node.name for node in nodes if by_name[node.name] is not node)
        raise ConversionError(f"{source}: two nodes are named {repeated}")
    for node in nodes:
        if unknown := [name for name in node.inputs if name not in by_name]:
            raise ConversionError(f"{source}: node {node.name} takes {unknown[0]}, which is not a node")
    try:
        order = list(TopologicalSorter({node.name: node.inputs for node in nodes}).static_order())
    except CycleError as error:
        raise ConversionError(f"{source}: the graph runs in a circle: {listing(error.args[1], ' -> ')}") from error
    return tuple(by_name[name] for name in order)


def _read_outputs(source: Path, model: Mapping[str, Any], nodes: Sequence[Node]) -> dict[str, str]:
    """What the signature names, or without one (the official files) every node that no other takes."""
    consumed = {name for node in nodes for name in node.inputs}
    outputs = {node.name: node.name for node in nodes if node.name not in consumed and node.op != "Const"}
    signature = model.get("signature")
    if isinstance(signature, dict) and "outputs" in signature:
        outputs = {
            _node_of(check_name(name, f"{source}: an output")): _node_of(
                get_name(entry, "name", f"{source}: output {name}")
            )
            for name, entry in get(signature, "outputs", dict, f"{source}: signature").items()
        }
    if unknown := set(outputs.values()) - {node.name for node in nodes}:
        raise ConversionError(f"{source}: outputs that are not nodes: {listing(sorted(unknown))}")
    return outputs


@dataclass(frozen=True, slots=True)
class _Entry:
    """A tensor as the manifest describes it: `value = q * scale + minimum` where it is quantised."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored: np.dtype[Any]  # in the shards
    scale: float = 1.0
    minimum: float = 0.0

    @property
    def size(self) -> int:
        """Bytes in the shards."""
        return math.prod(self.shape) * self.stored.itemsize

    def decode(self, data: memoryview) -> NDArray[Any]:
        """Values as TF.js has them: computed in float64, kept as float32, integers rounded half up."""
        stored = np.frombuffer(data, self.stored)
        if self.stored is self.dtype:
            return stored.astype(self.dtype.newbyteorder("=")).reshape(self.shape)
        values = np.empty(stored.size, self.dtype.newbyteorder("="))
        with np.errstate(all="ignore"):  # what overflows is refused by the conversion, which names the tensor
            for start in range(0, stored.size, CHUNK):
                exact = np.multiply(stored[start : start + CHUNK], self.scale, dtype=np.float64) + self.minimum
                values[start : start + CHUNK] = np.floor(exact + 0.5) if self.dtype.kind == "i" else exact
        return values.reshape(self.shape)


@dataclass(frozen=True, slots=True)
class _Group:
    """Tensors that lie one behind the other in the shards, cut wherever a shard ends."""

    shards: tuple[str, ...]
    entries: tuple[_Entry, ...]

    @property
    def decoded_size(self) -> int:
        """Bytes in memory, where quantised values take up to four times those in the shards."""
        return sum(math.prod(entry.shape) * entry.dtype.itemsize for entry in self.entries)

    def tensors(self, files: ModelFolder) -> Iterator[tuple[str, NDArray[Any]]]:
        """Name and value of each."""
        data, start = memoryview(self.read(files)), 0
        for entry in self.entries:
            yield entry.name, entry.decode(data[start : start + entry.size])
            start += entry.size

    def read(self, files: ModelFolder) -> bytearray:
        """All shards, one behind the other."""
        data = bytearray()
        for shard in self.shards:
            data += files.read(shard)
        return data


def _read_group(source: Path, group: Any, files: ModelFolder) -> _Group:
    """Compare the sizes claimed with the sizes of the files, before anything is read."""
    shards = get(group, "paths", list, f"{source}: weightsManifest")
    if not all(isinstance(shard, str) for shard in shards):
        raise ConversionError(f"{source}: weightsManifest: paths are not all text")
    entries = tuple(_read_entry(source, entry) for entry in get(group, "weights", list, f"{source}: weightsManifest"))
    expected, actual = sum(entry.size for entry in entries), sum(files.claim(shard) for shard in shards)
    if expected != actual:
        raise ConversionError(
            f"{source}: its tensors take {expected:,} bytes, its shards have {actual:,}; download these again: "
            f"{listing(shards)}"
        )
    return _Group(tuple(shards), entries)


def _read_entry(source: Path, entry: Any) -> _Entry:
    name = get_name(entry, "name", f"{source}: a tensor")
    where = f"{source}: {name}"
    shape, dtype = get_shape(entry, where), _dtype(entry, DTYPES, where)
    if "quantization" not in entry:
        return _Entry(name, shape, dtype, stored=dtype)
    quantization, where = get(entry, "quantization", dict, where), f"{where}: quantization"
    stored = _dtype(quantization, QUANTIZED_DTYPES, where)
    return _Entry(
        name, shape, dtype, stored, _finite(quantization, "scale", where), _finite(quantization, "min", where)
    )


def _dtype(value: Any, known: Mapping[str, np.dtype[Any]], where: str) -> np.dtype[Any]:
    name = get(value, "dtype", str, where)
    if name not in known:
        raise ConversionError(f"{where}: unknown dtype {shown(name)}; known are {', '.join(known)}")
    return known[name]


def _finite(value: Mapping[str, Any], key: str, where: str) -> float:
    number = value.get(key)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) <= sys.float_info.max:
        raise ConversionError(f"{where}: {key!r} is not a finite number: {shown(number)}")
    return float(number)
