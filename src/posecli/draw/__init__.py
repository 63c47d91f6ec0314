"""Draw poses over an image: pure functions from pixels to pixels. Numba is imported by the first drawing.

A person is drawn as limbs, then joints, the best-scoring person last and so on top; boxes lie below everybody, captions
above. Every colour is (r, g, b, 255): on a transparent background the canvas has four channels and starts as zeros, so
that each stroke composes premultiplied colour and coverage alike; `straighten` divides the coverage out at the end.
"""

from __future__ import annotations

import numpy as np

from posecli.draw.captions import draw_boxes, draw_captions
from posecli.draw.classic import draw_classic
from posecli.draw.people import PALETTE, Image, gather
from posecli.draw.style import MODERN, DrawStyle
from posecli.options import Background
from posecli.poses import Poses

__all__ = ["PALETTE", "DrawStyle", "draw", "prepare"]


def draw(image: Image, poses: Poses, style: DrawStyle = MODERN) -> Image:
    """Draw `poses` over `image`, (H, W, 3) RGB, which stays as it is.

    Returns (H, W, 3) RGB, or (H, W, 4) RGBA with straight alpha where the background is transparent. Parts may lie
    outside the image; those that are not finite are left out. Raises ValueError when the image has another shape.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    canvas = _background(image, style.background)
    if not canvas.size:
        return canvas
    people = gather(poses, canvas, style)
    if style.boxes:
        draw_boxes(canvas, people)
    if style.name == "classic":
        draw_classic(canvas, people)
    else:
        from posecli.draw.modern import draw_modern

        draw_modern(canvas, people)
    if style.labels or style.scores:
        draw_captions(canvas, people, style.boxes)
    if style.background == "transparent":
        from posecli.draw.strokes import straighten

        straighten(canvas)
    return canvas


def prepare() -> None:
    """Compile what `draw` runs, or load it from the cache on disk: no picture waits for it then."""
    draw(np.zeros((1, 1, 3), np.uint8), Poses.empty())


def _background(image: Image, background: Background) -> Image:
    """The canvas before anything is drawn: contiguous, as OpenCV needs it."""
    if background == "original":
        return np.array(image, order="C")
    return np.zeros((*image.shape[:2], 4 if background == "transparent" else 3), np.uint8)
