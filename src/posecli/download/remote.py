"""A file somewhere else as data, and whether what is here is that file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

_STEP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file below a base address, with what is known of it in advance."""

    path: str  # below the base address, with forward slashes
    size: int | None  # bytes; None where unknown
    blob_sha1: str | None  # git's: SHA-1 of b"blob SIZE\0" and the bytes, in hex; None where unknown

    @property
    def name(self) -> str:
        """The last component of the path: what the file is called here."""
        return self.path.rpartition("/")[2]


def blob_sha1(path: Path) -> str:
    """The SHA-1 by which git knows a file's bytes, in hex. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        digest = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size, usedforsecurity=False)
        while data := file.read(_STEP_BYTES):
            digest.update(data)
    return digest.hexdigest()


def fault(path: Path, file: RemoteFile) -> str | None:
    """What is wrong with the copy of a file at a path, read back from disk; None where it is whole and unchanged."""
    try:
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            return f"{size} bytes instead of {file.size}"
        if file.blob_sha1 is not None and blob_sha1(path) != file.blob_sha1:
            return "other bytes than the file's: its SHA-1 is wrong"
    except OSError as error:
        return error.strerror or str(error)
    return None
