"""int8 by post-training quantisation: what comes with the package, or what NNCF makes of a folder of photos.

NNCF watches the network run in float32 on photos of people, each at several sizes and mirrored too, and chooses the
range of every layer's values. Layers in `WIDE` stay as they are.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecli.backends.compiled import cached, program_key, tensors_digest
from posecli.backends.openvino import Ir, float_ir, load_openvino
from posecli.errors import InputError, MissingDependencyError, UsageError
from posecli.networks.spec import ModelSpec
from posecli.opencv import cv2
from posecli.options import Dilation
from posecli.preprocess import Resize
from posecli.weights.checkpoint import Checkpoint, model_name
from posecli.weights.store import bundled_path

if TYPE_CHECKING:
    import openvino

# Modules of the network that stay in float32, by name: those on the finest grids, whose errors go through all that
# follows, and a small part of the work. On MobileNet 0.75 the depthwise layer takes an eighth off the offsets' error.
WIDE = ("stem", "blocks.0.depthwise")
SIZES = (257, 385, 513)  # px of the long side, at which each photo is seen
MAX_PHOTOS = 50  # of a folder, evenly spread over its names, for each takes some two seconds
ABOUT, XML, WEIGHTS = "about.json", "model.xml", "model.bin"  # in the archive that the package has


class View(NamedTuple):
    """One of the ways in which a photo is seen."""

    path: Path
    size: int  # px of the long side
    mirrored: bool


def int8_ir(checkpoint: Checkpoint, stride: int, dilation: Dilation, calibrate: str | None) -> Ir:
    """The int8 network of a checkpoint: calibrated on the photos in the folder `calibrate`, or as the package has it.

    Raises UsageError for a folder without photos, and where there is neither a folder nor a network in the package that
    was made from these weights; MissingDependencyError where the folder needs NNCF, which is not installed.
    """
    if calibrate is not None:
        return calibrated_ir(checkpoint, stride, dilation, list_photos(Path(calibrate)))
    if (bundled := bundled_ir(checkpoint, stride, dilation)) is not None:
        return bundled
    raise UsageError(
        f"--precision int8: {model_name(checkpoint.spec, checkpoint.metadata)} at stride {stride} is not calibrated; "
        "give a folder with some photos of people: --calibrate DIR"
    )


def calibrated_ir(checkpoint: Checkpoint, stride: int, dilation: Dilation, photos: Sequence[Path]) -> Ir:
    """The int8 network of a checkpoint, from the cache or calibrated on photos."""
    digest = sha256()
    for photo in photos:
        digest.update(sha256(photo.read_bytes()).digest())
    made_with = {
        "photos": digest.hexdigest(),
        "views": f"{SIZES} px, {WIDE} wide",
        "openvino": load_openvino().__version__,
        "nncf": _nncf_version(),
    }
    key = program_key(checkpoint, stride, dilation, kind="int8", **made_with)
    return Ir.unpack(cached(key, "int8", lambda: Ir.of(quantise(checkpoint, stride, dilation, photos)).pack()))


def quantise(checkpoint: Checkpoint, stride: int, dilation: Dilation, photos: Sequence[Path]) -> openvino.Model:
    """Calibrate the network of a checkpoint on photos, some two seconds for each. Progress goes to stderr."""
    openvino, nncf = load_openvino(), load_nncf()
    ir = float_ir(checkpoint, stride, dilation)
    views = [View(photo, size, mirrored) for photo in photos for size in SIZES for mirrored in (False, True)]
    with redirect_stdout(sys.stderr):
        return nncf.quantize(
            openvino.Core().read_model(ir.xml, ir.weights),
            nncf.Dataset(views, lambda view: see(view, stride)),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(views),
            fast_bias_correction=False,  # the slower kind halves the error of the offsets
            ignored_scope=nncf.IgnoredScope(
                patterns=[rf".*\.{re.escape(name)}/.*" for name in WIDE],
                validate=False,  # ResNet50 has not all of them
            ),
        )


def see(view: View, stride: int) -> NDArray[np.uint8]:
    """The network's input for a view of a photo, (1, H, W, 3)."""
    bgr = cv2.imread(str(view.path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise InputError(f"{view.path}: cannot be read any more; calibrate again")
    columns = slice(None, None, -1 if view.mirrored else 1)
    image = np.ascontiguousarray(bgr[:, columns, ::-1], np.uint8)  # RGB
    resize = Resize.plan(image.shape[:2], view.size, stride, "aspect")
    return resize.apply(image)[None].astype(np.uint8, copy=False)


def list_photos(folder: Path) -> list[Path]:
    """Photos that lie in a folder, at most MAX_PHOTOS. Raises UsageError where there is none that can be read."""
    if not folder.is_dir():
        raise UsageError(f"--calibrate {folder}: not a folder; give one with some photos of people")
    files = sorted(path for path in folder.iterdir() if path.is_file() and cv2.haveImageReader(str(path)))
    chosen = [files[i] for i in np.linspace(0, len(files) - 1, min(len(files), MAX_PHOTOS)).round().astype(int)]
    photos = [path for path in chosen if cv2.imread(str(path), cv2.IMREAD_COLOR) is not None]
    if not photos:
        raise UsageError(f"--calibrate {folder}: no photo in it can be read; give a folder with some photos of people")
    return photos


def bundled_ir(checkpoint: Checkpoint, stride: int, dilation: Dilation) -> Ir | None:
    """The int8 network that is part of the package, if there is one made from these weights for these settings."""
    path = bundled_int8_path(checkpoint.spec)
    if not path.is_file():
        return None
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read(ABOUT))
        if about["stride"] != stride or dilation not in about["dilations"]:
            return None
        if about["weights"] != tensors_digest(checkpoint.state_dict):
            return None
        return Ir(archive.read(XML), archive.read(WEIGHTS))


def bundled_int8_path(spec: ModelSpec) -> Path:
    """Where the package keeps the int8 network of its own weights; only of BUNDLED models there is one."""
    return bundled_path(spec.name).with_suffix(".int8.zip")


def pack_bundled(ir: Ir, about: Mapping[str, Any]) -> bytes:
    """The file that `bundled_ir` reads: a zip archive, the same bytes for the same content."""
    parts = {ABOUT: json.dumps(about, indent=2).encode(), XML: ir.xml, WEIGHTS: ir.weights}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)  # its date is a constant
    return buffer.getvalue()


def _nncf_version() -> str:
    """The version of NNCF, which need not be loaded where the cache has the network."""
    try:
        return version("nncf")
    except PackageNotFoundError:
        return str(load_nncf().__version__)  # raises where it is not there


def load_nncf() -> Any:
    """The library, told to report nothing to anybody. Raises MissingDependencyError where it is not installed."""
    try:
        with _environment("NNCF_CI", "1"), redirect_stdout(sys.stderr):  # read, and kept, as it is imported
            import nncf
    except ImportError as error:
        raise MissingDependencyError(
            f'calibrating int8 needs NNCF, which cannot be loaded ({error}); run: pip install "posecli[int8]"'
        ) from error
    nncf.set_log_level(logging.ERROR)
    return nncf


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Have a variable in the environment for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
