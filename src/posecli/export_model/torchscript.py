"""TorchScript: a traced and frozen program as one file that `torch.jit.load` reads, in Python and in C++.

torch 2.13 deprecates all of torch.jit in favour of torch.export, whose files libtorch cannot load by themselves. Who
asks for TorchScript by name has a program that reads it, so it stays the best there.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from posecli.backends.program import Program
from posecli.networks.fields import Fields

METADATA_FILE = "posecli.json"  # in the archive's folder `extra`
TRACED_SHAPE = (2, 49, 65, 3)  # images, px, px, RGB; nothing of it is left in what is traced
DEBUG_SUFFIX = ".debug_pkl"


def to_torchscript(program: Program, metadata: Mapping[str, str]) -> bytes:
    """A TorchScript file of a program: uint8 or float32 images (B, H, W, 3) in, a tuple in the order of `Fields` out.

    `metadata` goes into it as JSON.
    """
    whole = io.BytesIO()
    with _deprecation_known():
        example = torch.zeros(TRACED_SHAPE, dtype=torch.uint8)
        traced = torch.jit.trace(program, (example,))  # type: ignore[no-untyped-call]  # torch has no types there
        torch.jit.save(torch.jit.freeze(traced), whole, _extra_files={METADATA_FILE: json.dumps(metadata)})
    return _without_sources(whole.getvalue())


def open_torchscript(data: bytes) -> Callable[[Tensor], Fields]:
    """Make a file of `to_torchscript` ready to run."""
    with _deprecation_known():
        module = torch.jit.load(io.BytesIO(data), "cpu")  # type: ignore[no-untyped-call]  # torch has no types there

    def run(images: Tensor) -> Fields:
        with torch.inference_mode():
            return Fields(*(field.contiguous() for field in module(images)))

    return run


def _without_sources(data: bytes) -> bytes:
    """The archive without what it says of the files that its code was traced from, with their paths on this machine."""
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            if not entry.filename.endswith(DEBUG_SUFFIX):
                new.writestr(zipfile.ZipInfo(entry.filename), old.read(entry))  # without its date
    return kept.getvalue()


@contextmanager
def _deprecation_known() -> Iterator[None]:
    """Leave out torch's advice to use torch.export in place of torch.jit; the module says why it is not followed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        yield
