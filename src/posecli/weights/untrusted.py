"""Reading what a model claims without believing it: the files of its folder, the fields of its JSON, its shapes."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path, PureWindowsPath
from stat import S_ISREG
from typing import Any, TypeVar

from posecli.errors import ConversionError

MAX_BYTES = 512 * 1024 * 1024  # of one file; the largest official model, ResNet50 float, has 94 MB in all
MAX_RANK = 8  # of a tensor; a convolution has 4

T = TypeVar("T")


class ModelFolder:
    """A folder whose model is not trusted. `sha256s` records what has been read, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sha256s: dict[str, str] = {}

    def size(self, name: str) -> int:
        """The size of a file in bytes, without reading it. Raises ConversionError where there is no such file."""
        path = self._inside(name)
        try:
            status = path.stat()
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            raise ConversionError(f"{path}: missing, though the model names it; download it too") from error
        if not S_ISREG(status.st_mode):
            raise ConversionError(f"{path}: not a file, though the model names it as one")
        return status.st_size

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises ConversionError for one that is missing, unreadable or absurdly large."""
        path, size = self._inside(name), self.size(name)
        if size > MAX_BYTES:
            raise ConversionError(f"{path}: {size:,} bytes is too large for a PoseNet (at most {MAX_BYTES:,})")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConversionError(f"{path}: cannot be read ({error.strerror})") from error
        self.sha256s[name] = sha256(data).hexdigest()
        return data

    def _inside(self, name: str) -> Path:
        """Resolve a name without leaving the folder, on any system: no URL, no drive, nothing absolute, no `..`."""
        path = PureWindowsPath(name)  # splits at both kinds of slash
        if not path.parts or path.anchor or ".." in path.parts or "://" in name:
            raise ConversionError(f"{self.folder}: the model names a file that is not inside its folder: {name!r}")
        return self.folder.joinpath(*path.parts)


def parse_json(data: bytes, source: Path) -> dict[str, Any]:
    """A JSON object. Raises ConversionError, naming the file, for anything else."""
    if data.lstrip()[:1] == b"<":
        raise ConversionError(f"{source}: an HTML page, not a model (a download that failed?); download it again")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConversionError(f"{source}: not JSON ({error}); download it again") from error
    if not isinstance(value, dict):
        raise ConversionError(f"{source}: not a TF.js model: a JSON {type(value).__name__} instead of an object")
    return value


def get(value: Any, key: str, kind: type[T], where: str) -> T:
    """The field `key` of a JSON object, of the kind it should have. Raises ConversionError otherwise."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, kind):
        raise ConversionError(f"{where}: expected {key!r} with a {kind.__name__}, got {_short(found)}")
    return found


def get_shape(value: Any, where: str) -> tuple[int, ...]:
    """The shape of a tensor: `value["shape"]`, positive whole numbers. Raises ConversionError otherwise."""
    shape = get(value, "shape", list, where)
    if len(shape) > MAX_RANK or not all(type(side) is int and side > 0 for side in shape):
        raise ConversionError(f"{where}: not a shape: {_short(shape)}")
    return tuple(shape)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
