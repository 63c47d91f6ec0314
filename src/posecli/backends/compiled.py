"""The cache of compiled networks: what takes seconds to make from weights is made once and kept on disk.

    FOLDER/compiled/DIGEST.SUFFIX    SHA-256 of the content (32 bytes), then the content

FOLDER is the user's cache folder; POSECLI_HOME moves it to its own folder `cache`. Everything here can be thrown away
at any time. A cache that is damaged, closed to us or absent costs time, and is never an error.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from posecli import __version__
from posecli.errors import OutputError
from posecli.files import write_whole
from posecli.options import Dilation
from posecli.weights.checkpoint import Checkpoint
from posecli.weights.store import HOME_VARIABLE, home

MAX_BYTES = 512 * 1024 * 1024  # of all that is kept; ResNet50 takes 95 MB, MobileNet 0.75 takes 5
DIGEST_BYTES = 32
REVISION = "2"  # of what we make; to be raised by whoever changes it within a version
ENTRY = re.compile(r"[0-9a-f]{64}\.[a-z0-9]+")  # names of our files; no other is ever deleted


def cached(key: Mapping[str, str], suffix: str, make: Callable[[], bytes]) -> bytes:
    """What `make` gives, kept on disk under `key`, everything that it depends on.

    `suffix`, such as `onnx`, says what it is to whoever looks into the folder; letters and digits only. `make` is
    called where nothing whole is kept under that key. Its errors are the caller's.
    """
    path = cache_folder() / f"{sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()}.{suffix}"
    assert ENTRY.fullmatch(path.name)
    if (kept := _read(path)) is not None:
        return kept
    content = make()
    with suppress(OutputError):  # a folder closed to us, a full disk
        write_whole(path, sha256(content).digest() + content)
        _make_room(path.parent)
    return content


def program_key(checkpoint: Checkpoint, stride: int, dilation: Dilation, **further: str) -> dict[str, str]:
    """The key of what is made from `make_program`: its weights and settings, the versions that make it, and `further`.

    `further` is to name the kind of thing, the version of the library that makes it, and each setting of its own.
    """
    return {
        "weights": tensors_digest(checkpoint.state_dict),
        "network": checkpoint.spec.name,
        "stride": str(stride),
        "dilation": dilation,
        "posecli": f"{__version__}, {REVISION}",
        "torch": torch.__version__,
        **further,
    }


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, shapes and values of float32 tensors, in order of their names."""
    digest = sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}\n".encode())
        digest.update(tensors[name].contiguous().numpy().astype("<f4", copy=False).data)
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where compiled networks are kept; it need not exist. Raises UsageError for a POSECLI_HOME that is no folder."""
    if os.environ.get(HOME_VARIABLE):
        return home() / "cache" / "compiled"
    from platformdirs import user_cache_path

    return user_cache_path("posecli", appauthor=False) / "compiled"


def _read(path: Path) -> bytes | None:
    """The content of a file of the cache, if it is there, readable and whole. It counts as used now."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, content = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
    if sha256(content).digest() != digest:
        return None
    with suppress(OSError):
        os.utime(path)
    return content


def _make_room(folder: Path) -> None:
    """Delete what was used longest ago until the rest fits into MAX_BYTES; what was used last always stays."""
    with suppress(OSError):  # another process may delete at the same time
        entries = [(path.stat(), path) for path in folder.iterdir() if ENTRY.fullmatch(path.name)]
        entries.sort(key=lambda entry: entry[0].st_mtime_ns, reverse=True)
        total = 0
        for position, (status, path) in enumerate(entries):
            total += status.st_size
            if total > MAX_BYTES and position > 0:
                path.unlink(missing_ok=True)
