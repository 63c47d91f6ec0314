"""Decoded frames as pictures: their colours as RGB, and upright."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from struct import unpack_from
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from posecli.pyav import av

if TYPE_CHECKING:
    from av.buffer import Buffer
    from av.video.frame import VideoFrame

Matrix = tuple[int, int, int, int]  # a, b, c, d in -1, 0, 1: pixel (x, y) is shown at (a x + c y, b x + d y), shifted

_UPRIGHT = (1, 0, 0, 1)
_FIXED_POINT = 1 << 16  # one, in the numbers of a display matrix
# FFmpeg's number of a frame's colour space, and that of the matrix which it takes for it; for all others it takes
# BT.601, even where the frame says nothing and a player would guess BT.709 from its size.
_MATRICES = {1: 1, 4: 4, 7: 7, 9: 9, 10: 9}  # BT.709, FCC, SMPTE 240M, BT.2020 in both its forms
_BT601 = 5

_FULL_RANGE = 2
# Frames go to several threads already; before this version FFmpeg had no other threads here.
_ONE_THREAD = {"threads": 1} if int(av.__version__.partition(".")[0]) >= 17 else {}

_of_this_thread = threading.local()


def to_rgb(frame: VideoFrame) -> NDArray[np.uint8]:
    """The picture, (H, W, 3), as players show it, but for the shape of its pixels. On any thread.

    Pixels that are not square stay so: what is found is in pixels of the video. Nothing is done about interlacing, and
    HDR is not mapped to what a screen shows.
    """
    converter = getattr(_of_this_thread, "converter", None)
    if converter is None:  # FFmpeg keeps what it has worked out for one kind of frame
        converter = _of_this_thread.converter = av.video.reformatter.VideoReformatter()
    rgb = converter.reformat(frame, format="rgb24", **_colours(frame), **_ONE_THREAD)
    return turned(np.asarray(rgb.to_ndarray(), np.uint8), display_matrix(frame))


def _colours(frame: VideoFrame) -> dict[str, int]:
    """What PyAV is told of a frame's colours: older versions look at none of it unless both sides differ."""
    if frame.format.is_rgb or len(frame.format.components) < 3:
        return {}
    matrix = _MATRICES.get(frame.colorspace, _BT601)
    is_full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
    return {
        "src_colorspace": matrix,
        "dst_colorspace": 1 if matrix == _BT601 else _BT601,  # of no consequence to RGB
        "src_color_range": _FULL_RANGE if is_full else 1,
        "dst_color_range": _FULL_RANGE,
    }


def display_matrix(frame: VideoFrame) -> Matrix:
    """How a frame is turned and mirrored to be upright; what is not by whole quarters is left as it is."""
    try:
        data = cast("Mapping[str, Buffer]", frame.side_data)["DISPLAYMATRIX"]  # PyAV types other keys only
    except KeyError:
        return _UPRIGHT
    a, b, _, c, d = (round(value / _FIXED_POINT) for value in unpack_from("=5i", bytes(data)))
    return (a, b, c, d) if abs(a * d - b * c) == 1 and a * b == c * d == 0 else _UPRIGHT


def turned_hw(hw: tuple[int, int], matrix: Matrix) -> tuple[int, int]:
    """The sides of what a display matrix makes of a picture."""
    return hw if matrix[0] else hw[::-1]


def turned(image: NDArray[np.uint8], matrix: Matrix) -> NDArray[np.uint8]:
    """What a display matrix makes of an image (H, W, 3)."""
    a, b, c, d = matrix
    if not a:  # rows and columns change places
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: d or 1, :: a or 1])
