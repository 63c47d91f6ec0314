"""Annotated pictures: a tree of files like that of the inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from posecli.errors import OutputError, UsageError
from posecli.files import write_whole
from posecli.opencv import cv2
from posecli.options import Exists
from posecli.poses import Poses
from posecli.sinks.base import FrameOutputError
from posecli.sinks.rendered import Render, RenderedSink
from posecli.sources import IMAGE_SUFFIXES, Frame

__all__ = ["ImageSink", "Render"]

JPEG_QUALITY = 95  # of 100
FALLBACK_SUFFIX = ".png"  # lossless, and every OpenCV writes it
_ALPHA_SUFFIXES = frozenset({".png", ".webp"})
_GREY_ONLY_SUFFIXES = frozenset({".pgm", ".pbm"})
_ENCODERS = {".jfif": ".jpg"}  # suffixes that OpenCV knows by another name only


class ImageSink(RenderedSink):
    """Draws each frame and writes it below `out_dir` under the frame's own name.

    The format stays that of the input where OpenCV can write it, and becomes PNG where it cannot, or where transparency
    needs it; `image_format` (a suffix such as "jpg") makes it the same for all. Pictures that exist are replaced unless
    `exists` says otherwise; where it says nothing, what may be an original is not.
    """

    def __init__(
        self,
        out_dir: Path,
        render: Render,
        image_format: str | None = None,
        exists: Exists | None = None,
        needs_alpha: bool = False,
        file: Path | None = None,
    ) -> None:
        super().__init__(out_dir, render, exists, file)
        self._suffix = None if image_format is None else _checked_suffix(image_format, needs_alpha)
        self._needs_alpha = needs_alpha

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Every picture is complete already."""

    def _below_folder(self, name: str) -> Path:
        own = PurePosixPath(name).suffix
        if self._suffix is None and _can_write(own.lower(), self._needs_alpha):
            return self._folder / name
        stem = name.removesuffix(own) if own.lower() in IMAGE_SUFFIXES else name
        return self._folder / f"{stem}{self._suffix or FALLBACK_SUFFIX}"

    def write(self, frame: Frame, poses: Poses) -> None:
        """Draw and write a frame. Raises FrameOutputError where it cannot be, or exists and must not be replaced."""
        self.prepare(frame, poses)()

    def prepare(self, frame: Frame, poses: Poses) -> Callable[[], None]:
        """Draw and encode a frame; what is returned puts the file in its place. Raises as `write` does."""
        if self._is_kept(frame.name):
            return lambda: None
        path = self.path_for(frame.name)
        return partial(self._put, frame.name, path, _encode(self._render(frame, poses), path))

    def _put(self, name: str, path: Path, data: bytes) -> None:
        if self._is_kept(name):  # it may have appeared meanwhile
            return
        try:
            write_whole(path, data)
        except OutputError as error:
            raise FrameOutputError(str(error)) from error


def _checked_suffix(image_format: str, needs_alpha: bool) -> str:
    suffix = f".{image_format.lower().removeprefix('.')}"
    if needs_alpha and suffix not in _ALPHA_SUFFIXES:
        raise UsageError(f"{image_format} cannot be transparent; use png or webp")
    if not _can_write(suffix, needs_alpha):
        raise UsageError(f"{image_format} cannot be written by this OpenCV; use jpg, png or webp")
    return suffix


def _can_write(suffix: str, needs_alpha: bool) -> bool:
    if needs_alpha:
        return suffix in _ALPHA_SUFFIXES
    if suffix not in IMAGE_SUFFIXES or suffix in _GREY_ONLY_SUFFIXES:
        return False
    return bool(cv2.haveImageWriter(f"image{_ENCODERS.get(suffix, suffix)}"))


def _encode(image: NDArray[np.uint8], path: Path) -> bytes:
    """Encode (H, W, 3) RGB or (H, W, 4) RGBA in the format that the path's suffix names."""
    suffix = path.suffix.lower()
    has_alpha = image.shape[2] == 4
    bgr = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if has_alpha else cv2.COLOR_RGB2BGR)
    try:
        encoded, data = cv2.imencode(_ENCODERS.get(suffix, suffix), bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    except cv2.error:
        encoded = False
    if not encoded:
        height, width = image.shape[:2]
        raise FrameOutputError(
            f"{path}: OpenCV cannot write {width}x{height} px as {suffix[1:]}; use --image-format png"
        )
    return data.tobytes()
