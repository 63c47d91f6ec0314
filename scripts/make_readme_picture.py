#!/usr/bin/env python3
"""Write docs/examples.jpg, the picture in the README: example photos as `posecli annotate examples` draws them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import posecli
from posecli.draw import DrawStyle, draw
from posecli.sources import read_image

ROOT = Path(__file__).parents[1]
HEIGHT, GAP = 330, 6  # px
PHOTOS = ("portrait-wall.jpg", "two-pioneers.jpg")


def main() -> None:
    estimator = posecli.load_estimator()
    pictures = []
    for name in PHOTOS:
        image = read_image(ROOT / "examples" / name, name)
        drawn = draw(image, estimator(image), DrawStyle(labels=True))
        width = round(image.shape[1] * HEIGHT / image.shape[0])
        pictures += [cv2.resize(drawn, (width, HEIGHT), interpolation=cv2.INTER_AREA), np.full((HEIGHT, GAP, 3), 255)]
    row = np.hstack(pictures[:-1]).astype(np.uint8)
    cv2.imwrite(str(ROOT / "docs/examples.jpg"), row[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    main()
