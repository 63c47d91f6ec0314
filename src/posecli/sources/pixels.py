"""Decoded frames as pictures: their colours as RGB, and upright."""

from __future__ import annotations

import threading
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posecli.pyav import av

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

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

    Pixels that are not square stay so, as `pixel_aspect` tells: what is found is in pixels of the video. Nothing is
    done about interlacing, and HDR is not mapped to what a screen shows.
    """
    converter = getattr(_of_this_thread, "converter", None)
    if converter is None:  # FFmpeg keeps what it has worked out for one kind of frame
        converter = _of_this_thread.converter = av.video.reformatter.VideoReformatter()
    rgb = converter.reformat(frame, format="rgb24", **_colours(frame), **_ONE_THREAD)
    return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), quarters(frame)), np.uint8)


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


def quarters(frame: VideoFrame) -> int:
    """By how many quarters anticlockwise a frame is turned to be upright, 0 to 3; what lies between them is upright.

    The matrix with which a video says so may mirror it too. PyAV loses memory with each frame whose matrix is asked
    for, so that only the angle is.
    """
    turns = round(frame.rotation / 90)
    return turns % 4 if abs(frame.rotation - 90 * turns) <= 1 else 0  # whole degrees, rounded down


def pixel_aspect(stream: VideoStream, frame: VideoFrame) -> Fraction:
    """Width by height of a pixel of a frame's picture; 1 where its stream does not say."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return 1 / aspect if quarters(frame) % 2 else aspect


def upright_hw(frame: VideoFrame) -> tuple[int, int]:
    """The height and width of a frame's picture."""
    return (frame.width, frame.height) if quarters(frame) % 2 else (frame.height, frame.width)
