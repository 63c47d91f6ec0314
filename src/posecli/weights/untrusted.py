"""Reading what a model claims without believing it: the files of its folder, the fields of its JSON, its shapes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha1, sha256
from pathlib import Path, PureWindowsPath
from stat import S_ISREG
from typing import Any, TypeVar

from posecli.errors import ConversionError

MAX_BYTES = 128 * 1024 * 1024  # of all files, and of all tensors; the largest official model, ResNet50, has 95 MB
MAX_JSON_BYTES = 16 * 1024 * 1024  # parsed, JSON takes up to 25 times the memory; the official files stay below 200 kB
MAX_RANK = 8  # of a tensor; a convolution has 4
MAX_SIDE = 2**31 - 1  # of a tensor; products stay short enough to print
MAX_NAME = 256  # letters; those of the official models have up to 82
MAX_SHOWN = 8  # names in one message

T = TypeVar("T")


class ModelFolder:
    """A folder whose model is not trusted: claim every file that the model names, then read them.

    `sha256s` and `blob_sha1s` record what has been read, by path below the folder with forward slashes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sha256s: dict[str, str] = {}
        self.blob_sha1s: dict[str, str] = {}  # as git names files, which is how the official ones are known
        self._claimed: dict[Path, int] = {}  # bytes

    def claim(self, name: str) -> int:
        """The size of a file in bytes, without reading it.

        Raises ConversionError where there is no such file, where it was claimed before, or where all that is claimed
        is absurdly large.
        """
        path = self._inside(name)
        if path in self._claimed:
            raise ConversionError(f"{path}: the model names it more than once; download the model again")
        try:
            status = path.stat()
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            raise ConversionError(f"{path}: missing, though the model names it; download it too") from error
        if not S_ISREG(status.st_mode):
            raise ConversionError(f"{path}: not a file, though the model names it as one")
        self._claimed[path] = status.st_size
        if (total := sum(self._claimed.values())) > MAX_BYTES:
            raise ConversionError(
                f"{path}: too large for a PoseNet: with it, the files of the model have {total:,} bytes "
                f"(at most {MAX_BYTES:,})"
            )
        return status.st_size

    def read(self, name: str) -> bytes:
        """The bytes of a file that was claimed. Raises ConversionError for one that cannot be read as it was then."""
        path = self._inside(name)
        size = self._claimed[path]
        try:
            with path.open("rb") as file:
                data = file.read(size + 1)
        except OSError as error:
            raise ConversionError(f"{path}: cannot be read ({error.strerror})") from error
        if len(data) != size:
            raise ConversionError(f"{path}: it changed while the model was read; try again")
        below = path.relative_to(self.folder).as_posix()
        self.sha256s[below] = sha256(data).hexdigest()
        blob = sha1(b"blob %d\0" % len(data), usedforsecurity=False)
        blob.update(data)
        self.blob_sha1s[below] = blob.hexdigest()
        return data

    def _inside(self, name: str) -> Path:
        """Resolve a name without leaving the folder, on any system: no URL, no drive, nothing absolute, no `..`."""
        path = PureWindowsPath(check_name(name, str(self.folder)))  # splits at both kinds of slash
        if not path.parts or path.anchor or ".." in path.parts or "://" in name:
            raise ConversionError(f"{self.folder}: the model names a file that is not inside its folder: {name!r}")
        return self.folder.joinpath(*path.parts)


def parse_json(data: bytes, source: Path) -> dict[str, Any]:
    """A JSON object. Raises ConversionError, naming the file, for anything else."""
    if len(data) > MAX_JSON_BYTES:
        raise ConversionError(f"{source}: {len(data):,} bytes is too large for a PoseNet (at most {MAX_JSON_BYTES:,})")
    if data.lstrip()[:1] == b"<":
        raise ConversionError(f"{source}: an HTML page, not a model (a download that failed?); download it again")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        remedy = "give a model.json or a manifest.json, or download it again"
        raise ConversionError(f"{source}: not JSON ({error}); {remedy}") from error
    if not isinstance(value, dict):
        raise ConversionError(f"{source}: not a TF.js model: a JSON {type(value).__name__} instead of an object")
    return value


def get(value: Any, key: str, kind: type[T], where: str) -> T:
    """The field `key` of a JSON object, of the kind it should have. Raises ConversionError otherwise."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, kind):
        raise ConversionError(f"{where}: expected {key!r} with a {kind.__name__}, got {shown(found)}")
    return found


def get_name(value: Any, key: str, where: str) -> str:
    """The field `key` of a JSON object, a name of something. Raises ConversionError otherwise."""
    return check_name(get(value, key, str, where), where)


def check_name(name: str, where: str) -> str:
    """Give back what a model calls something. Raises ConversionError for what would not fit into a message."""
    if len(name) > MAX_NAME or not name.isprintable():
        raise ConversionError(f"{where}: not a name, of up to {MAX_NAME} printable letters: {shown(name)}")
    return name


def get_shape(value: Any, where: str) -> tuple[int, ...]:
    """The shape of a tensor: `value["shape"]`, positive whole numbers. Raises ConversionError otherwise."""
    shape = get(value, "shape", list, where)
    if len(shape) > MAX_RANK or not all(type(side) is int and 0 < side <= MAX_SIDE for side in shape):
        raise ConversionError(f"{where}: not a shape: {shown(shape)}")
    return tuple(shape)


def shown(value: Any) -> str:
    """A JSON value for a message."""
    try:
        return short(repr(value))
    except (RecursionError, ValueError):  # nested as deep as can be parsed; a number of too many digits
        return f"<{type(value).__name__}>"


def short(text: str) -> str:
    """A text of any length for a message: its beginning, on one line."""
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 80 else f"{text[:77]}..."


def listing(names: Sequence[str], separator: str = ", ") -> str:
    """Names for a message, however many and however long."""
    more = f" and {len(names) - MAX_SHOWN:,} more" if len(names) > MAX_SHOWN else ""
    return separator.join(map(short, names[:MAX_SHOWN])) + more
