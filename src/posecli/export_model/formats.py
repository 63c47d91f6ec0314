"""The formats that a model is exported to, by name. Data only, and light: `posecli --help` lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast, get_args

from posecli.errors import UsageError
from posecli.options import Precision, check_choice

Format = Literal["onnx", "openvino", "torchscript"]

SUFFIXES: Mapping[str, Format] = {".onnx": "onnx", ".xml": "openvino", ".pt": "torchscript", ".ts": "torchscript"}
DEFAULT_SUFFIXES: Mapping[Format, str] = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt"}
COMPANIONS: Mapping[Format, Sequence[str]] = {"openvino": (".bin",)}  # suffixes of what lies beside the named file
PRECISIONS: Mapping[Format, Sequence[Precision]] = {
    "onnx": ("float32",),
    "openvino": ("float32", "int8"),
    "torchscript": ("float32",),
}


def format_of(path: Path | None, explicit: str | None = None) -> Format:
    """The format of the file: by its suffix, which must agree with the one asked for; ONNX where neither says.

    Raises UsageError for an unknown format or suffix.
    """
    asked = None if explicit is None else cast(Format, check_choice("format", explicit, Format))
    if path is None:
        return asked or "onnx"
    found = SUFFIXES.get(path.suffix.lower())
    if found is None or asked not in (None, found):
        wanted = [suffix for suffix, format in SUFFIXES.items() if asked in (None, format)]
        kind = f"a model in {asked}" if asked else "a model"
        raise UsageError(f"{path}: {kind} is written to a file whose name ends in {' or '.join(wanted)}; name it so")
    return found


def check_precision(format: Format, precision: Precision) -> None:
    """Raise UsageError where the format has no files of this precision."""
    if precision in PRECISIONS[format]:
        return
    if able := [name for name in get_args(Format) if precision in PRECISIONS[name]]:
        remedy = f"choose --format {' or '.join(able)}"
    else:
        remedy = "export float32; what runs the file chooses this precision"
    raise UsageError(f"--format {format} has no --precision {precision}; {remedy}")


def default_name(model: str, stride: int, format: Format, precision: Precision) -> str:
    """The name of the file where none is given, such as mobilenet-075-stride16.onnx."""
    kind = "" if precision == "float32" else f"-{precision}"
    return f"{model}-stride{stride}{kind}{DEFAULT_SUFFIXES[format]}"
