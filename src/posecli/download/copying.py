"""Have a file from a folder: another disk, a share, a copy of a mirror."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from posecli.download.bases import is_folder
from posecli.download.outcomes import RefusedError
from posecli.download.part import Part

_STEP_BYTES = 1 << 20


def copy(folder: Path, part: Part) -> None:
    """Copy the whole file to its part. Raises RefusedError where it is missing, unreadable or of another size."""
    if not is_folder(folder):
        raise RefusedError("no such folder")
    source = folder.joinpath(*part.file.path.split("/"))
    size = _size(source)
    if part.file.size is not None and size != part.file.size:
        raise RefusedError(f"{size} bytes instead of {part.file.size}")
    part.take(_chunks(source), fresh=True)


def _size(source: Path) -> int:
    try:
        status = source.stat()
    except FileNotFoundError:
        raise RefusedError("no such file") from None
    except OSError as error:
        raise RefusedError(error.strerror or str(error)) from error
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
        raise RefusedError("not a file")
    return status.st_size


def _chunks(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as file:
            while data := file.read(_STEP_BYTES):
                yield data
    except OSError as error:
        raise RefusedError(error.strerror or str(error)) from error
