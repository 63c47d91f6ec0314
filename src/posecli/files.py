"""Files that appear whole or not at all: written under a temporary name beside their own, then renamed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from posecli.errors import OutputError


def write_whole(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write a file in one step, with the folders above it; `sync` also outlives a power cut.

    Raises OutputError where it cannot be written; then nothing is left behind.
    """
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def temporary_beside(path: Path) -> Path:
    """A name in the same folder that nothing else has; hidden, so that no listing takes it for a result."""
    return path.parent / f".{secrets.token_hex(8)}.part"


def cannot_write(path: Path | str, error: OSError) -> OutputError:
    """The error for a file that the system does not let us write."""
    return OutputError(f"{path}: cannot be written ({error.strerror or error}); choose another place with -o")
