"""Files that appear whole or not at all: written under a temporary name beside their own, then renamed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from posecli.errors import OutputError


def write_whole(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write a file in one step, with the folders above it; `sync` also outlives a power cut.

    A symbolic link stays, and so does a pipe or a device: they are written through. Raises OutputError where it cannot
    be written; then nothing is left behind.
    """
    target = Path(os.path.realpath(path))
    temporary = temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not is_replaceable(target):
            target.write_bytes(data)
            return
        try:
            with temporary.open("xb") as file:
                file.write(data)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def exists(path: Path) -> bool:
    """Whether something is there, as far as the system lets us see."""
    try:
        return path.exists()
    except OSError:  # a name too long for any file system, or a folder closed to us
        return False


def is_replaceable(target: Path) -> bool:
    """Whether a new file may take this place: a pipe or a device is to be written to, and a folder stays."""
    return not target.exists() or target.is_file()


def temporary_beside(path: Path) -> Path:
    """A name in the same folder that nothing else has; hidden, so that no listing takes it for a result."""
    return path.parent / f".{secrets.token_hex(8)}.part"


def cannot_write(path: Path | str, error: OSError) -> OutputError:
    """The error for a file, or standard output (the string `-`), that the system does not let us write."""
    reason = f"cannot be written ({error.strerror or error})"
    return OutputError(f"standard output: {reason}" if path == "-" else f"{path}: {reason}; choose another place")
