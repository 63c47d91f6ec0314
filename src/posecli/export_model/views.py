"""The packaged photo in several shapes and batches: what an exported model is tried on."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from posecli.preprocess import Resize
from posecli.sources import read_image


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures of one size that go through the network together."""

    inputs: NDArray[np.uint8]  # (B, H, W, 3) RGB
    resize: Resize  # how each of them came to be


def batches(stride: int) -> tuple[Batch, ...]:
    """The photo whole; two at once, the second mirrored; and its upright middle. Each has a shape of its own."""
    photo = read_image((files("posecli") / "assets" / "example.jpg").read_bytes(), "the packaged photo")
    quarter = photo.shape[1] // 4
    return (
        _batch([photo], 433, stride),
        _batch([photo, photo[:, ::-1]], 321, stride),
        _batch([photo[:, quarter:-quarter]], 385, stride),
    )


def _batch(pictures: list[NDArray[np.uint8]], size: int, stride: int) -> Batch:
    height, width = pictures[0].shape[:2]
    resize = Resize.plan((height, width), size, stride, "aspect")
    inputs = np.stack([resize.apply(np.ascontiguousarray(picture)) for picture in pictures])
    return Batch(inputs.astype(np.uint8, copy=False), resize)
