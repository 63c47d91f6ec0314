"""Pictures as videos take them: their colours as BT.709, their sides even, their size that of the first."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from posecli.opencv import cv2
from posecli.pyav import av

Image = NDArray[np.uint8]  # (H, W, 3) RGB
BT709, LIMITED_RANGE = 1, 1  # as FFmpeg, and every video format, numbers them
SQUARE = Fraction(1)  # width by height of most videos' pixels

# (3, 4): R, G, B and 1 in [0, 255] to Y in [16, 235], Cb and Cr in [16, 240], as BT.709 has it.
_YCBCR = np.array(
    [
        [0.182586, 0.614231, 0.062007, 16],
        [-0.100644, -0.338572, 0.439216, 128],
        [0.439216, -0.398942, -0.040274, 128],
    ],
    np.float32,
)


def to_yuv(image: Image) -> av.VideoFrame:
    """Turn (H, W, 3) RGB into 4:2:0 with even sides, as BT.709 of limited range, which every player takes."""
    height, width = even((image.shape[0], image.shape[1]))
    borders = (0, height - image.shape[0], 0, width - image.shape[1])
    image = np.ascontiguousarray(image)
    if any(borders):
        image = np.asarray(cv2.copyMakeBorder(image, *borders, cv2.BORDER_REPLICATE), np.uint8)
    planes = np.empty(height * width * 3 // 2, np.uint8)  # Y, Cb, Cr
    luma, chroma = planes[: height * width].reshape(height, width), planes[height * width :].reshape(2, -1)
    cv2.extractChannel(cv2.transform(image, _YCBCR), 0, luma)
    halved = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    chroma[:] = cv2.transform(halved, _YCBCR)[..., 1:].reshape(-1, 2).T
    frame = av.VideoFrame.from_ndarray(planes.reshape(-1, width), format="yuv420p")
    frame.colorspace, frame.color_range = BT709, LIMITED_RANGE
    return frame


def letterboxed(image: Image, hw: tuple[int, int]) -> Image:
    """Fit (H, W, 3) into `hw`, as large as it goes, in the middle of black."""
    scale = min(hw[0] / image.shape[0], hw[1] / image.shape[1])
    height, width = (max(round(side * scale), 1) for side in image.shape[:2])
    top, left = (hw[0] - height) // 2, (hw[1] - width) // 2
    canvas = np.zeros((*hw, 3), np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=how)
    return canvas


def even(hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width, the next even ones where they are odd."""
    return hw[0] + hw[0] % 2, hw[1] + hw[1] % 2
