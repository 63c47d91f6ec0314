"""The cameras of this computer. On Linux the system lists them; elsewhere they are counted by trying."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

TRIED = 4  # indices, from 0, where cameras can only be found by opening them


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera, under the index by which OpenCV opens it."""

    index: int
    name: str | None  # None where the system tells no names
    accessible: bool = True  # False where this user may not open it, or its device is not there, as in containers


def list_cameras(classes: Path = Path("/sys/class/video4linux"), devices: Path = Path("/dev")) -> tuple[Camera, ...]:
    """The cameras in order of their indices; none is ordinary.

    On Linux nothing is opened: what the kernel lists in `classes` is read, and the rights to the nodes in `devices`. On
    other systems OpenCV tries the first few indices, and a camera's light may blink.
    """
    return _listed(classes, devices) if sys.platform == "linux" else _tried()


def _listed(classes: Path, devices: Path) -> tuple[Camera, ...]:
    """What the kernel lists as video capture: the first node of each device, as the others carry its metadata."""
    found = []
    for node in classes.glob("video*"):
        number = node.name.removeprefix("video")
        if number.isdecimal() and _attribute(node / "index") in ("0", None):
            accessible = os.access(devices / node.name, os.R_OK | os.W_OK)
            found.append(Camera(int(number), _attribute(node / "name"), accessible))
    return tuple(sorted(found, key=lambda camera: camera.index))


def _attribute(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # older kernels lack some, and a camera may be unplugged at any time
        return None


def _tried() -> tuple[Camera, ...]:
    """The indices at which a camera answers."""
    from posecli.opencv import cv2  # here, as the list of the kernel needs none of it

    found = []
    for index in range(TRIED):
        capture = cv2.VideoCapture(index)
        if capture.isOpened():
            found.append(Camera(index, None))
        capture.release()
    return tuple(found)
