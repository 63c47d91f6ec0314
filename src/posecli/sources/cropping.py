"""The part of a picture that is looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecli.errors import InputError

Crop = tuple[int, int, int, int]  # x, y, width, height, px


def check_crop(crop: Crop | None, hw: tuple[int, int], name: str) -> None:
    """Raise InputError where a picture of these sides, `name`, has no such part.

    A part that only reaches over the edge is none of these: it ends there.
    """
    if crop is None:
        return
    x, y, width, height = crop
    is_larger = width > hw[1] or height > hw[0]
    if is_larger or x >= hw[1] or y >= hw[0]:
        what = "larger than" if is_larger else "outside"
        shown = ",".join(map(str, crop))
        raise InputError(f"{name}: --crop {shown} is {what} the picture, {hw[1]} x {hw[0]} px; give a part of it")


def cropped(image: NDArray[np.uint8], crop: Crop | None, name: str) -> NDArray[np.uint8]:
    """The part of an image (H, W, 3) as an image of its own, as far as it lies inside; all where there is no crop.

    Raises InputError where `name`, as messages call it, has no such part.
    """
    if crop is None:
        return image
    check_crop(crop, (image.shape[0], image.shape[1]), name)
    x, y, width, height = crop
    return np.ascontiguousarray(image[y : y + height, x : x + width])
