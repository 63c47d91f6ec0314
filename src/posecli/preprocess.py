"""`Resize`: what moved the pixels moves the points back.

Coordinates are pixel-centred: integer x is the centre of column x, in the source image and in the network's input
alike, and cell c of the output grid lies on input pixel c * stride.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecli.networks.spec import floor_valid_side, nearest_valid_side
from posecli.opencv import cv2
from posecli.options import ResizeMode


@dataclass(frozen=True, slots=True)
class Resize:
    """How one image becomes the network's input, and how points of the input become points of the image.

    `aspect` keeps the picture's shape: the long side becomes `size`, each side the nearest valid one, by
    cv2.INTER_LINEAR. `tfjs` is the original's: zeros pad the image to a square, then TF1's legacy bilinear resize.
    """

    mode: ResizeMode
    source_hw: tuple[int, int]  # px
    input_hw: tuple[int, int]  # px, both valid for the stride
    pad_hw: tuple[int, int]  # px of zeros on either side of the source: top and bottom, left and right

    @classmethod
    def plan(cls, source_hw: tuple[int, int], size: int, stride: int, mode: ResizeMode) -> Resize:
        """Choose the input's sides for an image of `source_hw`."""
        height, width = source_hw
        if mode == "tfjs":
            side = floor_valid_side(size, stride)
            missing_height, missing_width = max(width - height, 0), max(height - width, 0)
            pad_hw = (_round_half_up(0.5 * missing_height), _round_half_up(0.5 * missing_width))
            return cls(mode, source_hw, (side, side), pad_hw)
        scale = (size - 1) / max(height, width)
        input_hw = (nearest_valid_side(height * scale, stride), nearest_valid_side(width * scale, stride))
        return cls(mode, source_hw, input_hw, (0, 0))

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8 | np.float32]:
        """Resize an image (H, W, 3) of `source_hw` to (*input_hw, 3): uint8, or float32 in [0, 255] with `tfjs`."""
        if self.mode == "tfjs":
            return legacy_bilinear(image, self.input_hw, self.pad_hw)
        height, width = self.input_hw
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)

    def restore(self, xy_in: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map points (..., 2), x and y in input px, to source px."""
        source_wh = np.array(self.source_hw[::-1], np.float64)
        input_wh = np.array(self.input_hw[::-1], np.float64)
        if self.mode == "tfjs":
            pad_wh = np.array(self.pad_hw[::-1], np.float64)
            xy = xy_in * ((source_wh + 2 * pad_wh) / input_wh) - pad_wh
        else:
            xy = (xy_in + 0.5) * (source_wh / input_wh) - 0.5
        return xy.astype(np.float32)


def legacy_bilinear(
    image: NDArray[np.uint8], size_hw: tuple[int, int], pad_hw: tuple[int, int] = (0, 0)
) -> NDArray[np.float32]:
    """Pad (H, W, C) by `pad_hw` zeros on either side, and resize it to (*size_hw, C), as TF.js 2.x does.

    That is TF1's resize, align_corners and half_pixel_centers both false: output pixel i samples padded position
    i * padded / target, clamped at the far border. The result is not rounded: that alone would move most keypoints by
    more than 0.05 px. The padded image, which may be huge, is never made: only its sampled pixels are.
    """
    y0, y1, wy = _legacy_samples(image.shape[0] + 2 * pad_hw[0], size_hw[0])
    x0, x1, wx = _legacy_samples(image.shape[1] + 2 * pad_hw[1], size_hw[1])

    def pixels(y: NDArray[np.intp], x: NDArray[np.intp]) -> NDArray[np.float32]:
        """The padded image at rows y and columns x, (*size_hw, C)."""
        rows, columns = y - pad_hw[0], x - pad_hw[1]
        gathered = image.take(rows, axis=0, mode="clip").take(columns, axis=1, mode="clip").astype(np.float32)
        gathered[(rows < 0) | (rows >= image.shape[0])] = 0.0
        gathered[:, (columns < 0) | (columns >= image.shape[1])] = 0.0
        return gathered

    top_left, top_right = pixels(y0, x0), pixels(y0, x1)
    bottom_left, bottom_right = pixels(y1, x0), pixels(y1, x1)
    top = top_left + (top_right - top_left) * wx[:, None]
    bottom = bottom_left + (bottom_right - bottom_left) * wx[:, None]
    return top + (bottom - top) * wy[:, None, None]


def _legacy_samples(source: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each of `target` output pixels: the two source pixels around it and the weight of the second."""
    position = np.arange(target) * (source / target)
    low = np.floor(position).astype(np.intp)
    high = np.minimum(np.ceil(position).astype(np.intp), source - 1)
    return low, high, (position - low).astype(np.float32)


def _round_half_up(value: float) -> int:
    return math.floor(value + 0.5)
