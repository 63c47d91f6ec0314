"""Converted weights as a safetensors file: written whole or not at all, checked in full when read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from posecli.errors import UsageError, WeightsError
from posecli.files import write_whole
from posecli.networks.build import build_network
from posecli.networks.spec import ModelSpec, spec_of
from posecli.weights import store
from posecli.weights.catalog import BASE_URL, MODELS
from posecli.weights.convert import MAX_CHECK_ERROR, Conversion, reservation_about
from posecli.weights.store import SUFFIX, mend, path_exists
from posecli.weights.untrusted import listing, short

FORMAT = "posecli/1"


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a network with what is known of them."""

    spec: ModelSpec
    state_dict: Mapping[str, Tensor]  # float32
    metadata: Mapping[str, str]  # what the file says beside its tensors: source, licence, hashes, check error

    @classmethod
    def of(cls, conversion: Conversion, **further: str) -> Checkpoint:
        """What a conversion made; `further` metadata, such as licence, adds to its own.

        Google's own files give the same, however they came: the address they are published at, and their licence.
        """
        metadata = {
            "name": conversion.name,
            "source": conversion.source.name,
            "source_kind": conversion.kind,
            "source_sha256": json.dumps(conversion.sha256s, sort_keys=True),
            "quantization": conversion.quantization,
            "check_error": f"below {MAX_CHECK_ERROR:.0e}",  # the figure itself depends on the machine
            **_publication(conversion),
            **further,
        }
        return cls(conversion.spec, conversion.state_dict, MappingProxyType(metadata))


def _publication(conversion: Conversion) -> dict[str, str]:
    """Where the files that were converted are published, and under which licence, if they are Google's own."""
    if conversion.official is None:
        return {}
    model, read = MODELS[conversion.official], set(conversion.blob_sha1s.values())
    graph = next(graph for graph in model.graphs.values() if graph.blob_sha1 in read)
    return {"source": BASE_URL + graph.path, "licence": model.licence}


def model_name(spec: ModelSpec, metadata: Mapping[str, str]) -> str:
    """Name of a model, where its weights give one; else that of its network."""
    return metadata.get("name", spec.name)


def caution(spec: ModelSpec, metadata: Mapping[str, str]) -> str | None:
    """What to know before relying on these weights, if there is anything."""
    reservation = reservation_about(spec, metadata.get("quantization"))
    return None if reservation is None else f"{short(model_name(spec, metadata))}: {reservation}"


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the same checkpoint gives the same bytes.

    Raises UsageError for a name that `--model` could take for something else, OutputError where it cannot be written.
    """
    if path.suffix.lower() != SUFFIX:
        raise UsageError(
            f"{path}: weights are written to a file whose name ends in {SUFFIX}; choose such a name with -o"
        )
    write_whole(path, _to_bytes(checkpoint), sync=True)


def install(name: str, checkpoint: Checkpoint) -> Path:
    """Make a checkpoint the installed model of this name, in one step; the caller holds `store.lock(name)`.

    Raises OutputError where it cannot be written; then what was installed before stays.
    """
    staged = store.downloads_folder(name) / f"{name}{SUFFIX}"
    with store.naming_the_variable():
        save(staged, checkpoint)
        path = store.put(name, staged)
    store.clear_downloads(name)
    return path


def refuse_source(path: Path, conversion: Conversion) -> None:
    """Raise UsageError where writing to `path` would replace a file of the model that was converted."""
    for file in conversion.files:
        with suppress(OSError):  # mostly because there is nothing at `path` yet
            if path.samefile(file):
                raise UsageError(f"{path}: a file of the model that is converted; choose another name with -o")


def load(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises WeightsError for whatever is not one of ours, whole and unchanged."""
    _check_kind(path)
    _check_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            spec = _read_spec(path, metadata)
            shapes = _shapes(spec)
            _check_names(path, set(file.keys()), set(shapes))
            for name, shape in shapes.items():
                stored = file.get_slice(name)
                got = (stored.get_dtype(), tuple(stored.get_shape()))
                if got != ("F32", shape):
                    raise WeightsError(f"{path}: {name}: expected F32 {shape}, got {got[0]} {got[1]}; {mend(path)}")
            # A copy: the file may change or go while the network lives.
            state_dict = {name: file.get_tensor(name).clone() for name in shapes}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({short(str(error))}); {mend(path)}") from error
    if metadata.get("sha256") != _digest(state_dict):
        raise WeightsError(f"{path}: damaged: its values are not those that were written; {mend(path)}")
    # By NumPy: PyTorch would wake all its threads for each small tensor, which can take longer than the network.
    if bad := [name for name, tensor in state_dict.items() if not np.isfinite(tensor.numpy()).all()]:
        raise WeightsError(f"{path}: values that are not finite in {', '.join(bad)}; {mend(path)}")
    return Checkpoint(spec, state_dict, MappingProxyType(metadata))


def _check_kind(path: Path) -> None:
    """Raise WeightsError for a path that cannot be a weights file."""
    if not path_exists(path):
        raise WeightsError(f"{path}: no such weights file")
    if _is_tfjs_model(path):
        raise WeightsError(f"{path}: a TF.js model; convert it first: posecli convert-weights {path}")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not a file"
        raise WeightsError(f"{path}: {what}; --model takes a {SUFFIX} file, as posecli convert-weights writes it")


def _check_header(path: Path) -> None:
    """Raise WeightsError for a header larger than any of ours, which safetensors would read and parse."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); give another path with --model") from error
    if length > store.MAX_HEADER_BYTES:
        raise WeightsError(
            f"{path}: not a whole safetensors file (a header of {length:,} bytes, at most "
            f"{store.MAX_HEADER_BYTES:,}); {mend(path)}"
        )


def _is_tfjs_model(path: Path) -> bool:
    """Whether a path looks like what `posecli convert-weights` takes."""
    if path.is_dir():
        return any(path.glob("model*.json")) or (path / "manifest.json").is_file()
    return path.suffix.lower() == ".json"


def _to_bytes(checkpoint: Checkpoint) -> bytes:
    """A safetensors file with the fields of its header in order, which the library leaves to chance."""
    metadata = {
        **checkpoint.metadata,
        "format": FORMAT,
        **checkpoint.spec.to_metadata(),
        "sha256": _digest(checkpoint.state_dict),
    }
    data = to_safetensors(dict(checkpoint.state_dict), metadata)
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the tensors behind it stay aligned
    return len(header).to_bytes(8, "little") + header + data[end:]


def _digest(state_dict: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names and values of all tensors, in order of their names."""
    digest = sha256()
    for name in sorted(state_dict):
        digest.update(name.encode())
        digest.update(state_dict[name].contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _read_spec(path: Path, metadata: Mapping[str, str]) -> ModelSpec:
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path}: not weights of posecli; make them with: posecli convert-weights PATH")
    if (spec := spec_of(metadata)) is not None:
        return spec
    claims = (f"{key} {short(repr(metadata.get(key)))}" for key in ("architecture", "multiplier"))
    raise WeightsError(f"{path}: weights of an unknown network, {', '.join(claims)}; update posecli, or {mend(path)}")


def _shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):  # shapes only, no memory
        return {name: tuple(tensor.shape) for name, tensor in build_network(spec).state_dict().items()}


def _check_names(path: Path, found: set[str], expected: set[str]) -> None:
    for what, names in (("missing", expected - found), ("unknown", found - expected)):
        if names:
            raise WeightsError(f"{path}: {what} tensors: {listing(sorted(names))}; {mend(path)}")
