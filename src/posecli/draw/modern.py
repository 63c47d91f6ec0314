"""The modern style: limbs in a dark casing, joints with a rim, both fading with their confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecli.draw.people import EDGES, FACE, JOINT_RADIUS, ONE, SHIFT, WHITE, Box, Colour, Image, People, cut
from posecli.opencv import cv2
from posecli.skeleton import NUM_PARTS

FACE_RADIUS = 0.7  # line widths
RADII = np.where(np.isin(np.arange(NUM_PARTS), FACE), FACE_RADIUS, JOINT_RADIUS)  # (17,) line widths
LEAST_RIMMED = 2.3  # px, the radius of the smallest joint with a light rim
_TURN = np.arange(16) * (2 * np.pi / 16)
CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)  # (16, 2); rounder than cv2.circle where it is small


class _Mark(NamedTuple):
    """A limb or a joint: a polygon on top of its outline."""

    owner: int  # index of the person
    outline: NDArray[np.int32]  # (V, 2) px * ONE, convex
    outline_colour: Colour
    fill: NDArray[np.int32]  # (V, 2) px * ONE, convex
    fill_colour: Colour
    area: Box  # what it may touch
    opacity: float


def draw_modern(canvas: Image, people: People) -> None:
    """Draw everybody, the best-scoring on top."""
    # Sorting is stable: of each person the limbs, then the joints.
    for mark in sorted(_limbs(people, canvas) + _joints(people, canvas), key=lambda mark: mark.owner):
        _draw_mark(canvas, mark)


def _limbs(people: People, canvas: Image) -> list[_Mark]:
    """Lines of the person's colour in a dark casing, which sets them off from any photo."""
    owners, edges = np.nonzero(people.shown[:, EDGES].all(axis=2))  # (L,)
    kept, segments = cut(people.xy[owners[:, None], EDGES[edges]], canvas)
    owners, edges = owners[kept], edges[kept]
    way = segments[:, 1] - segments[:, 0]  # (L, 2)
    length = np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-6)[:, None]
    aside = np.stack([-way[:, 1], way[:, 0]], axis=1) / length  # a unit step to the side
    widths = people.line_widths[owners]
    casings = np.maximum(0.8, 0.28 * widths)

    def bars(half_widths: NDArray[np.float64]) -> NDArray[np.float64]:
        offset = (aside * half_widths[:, None])[:, None]  # (L, 1, 2)
        return np.concatenate([segments + offset, (segments - offset)[:, ::-1]], axis=1)  # (L, 4, 2)

    colours = [people.colours[i] for i in owners.tolist()]
    scores = people.part_scores[owners[:, None], EDGES[edges]].min(axis=1)
    casing_colours = [_darkened(colour) for colour in colours]
    return _marks(canvas, owners, bars(widths / 2 + casings), casing_colours, bars(widths / 2), colours, scores)


def _joints(people: People, canvas: Image) -> list[_Mark]:
    """Discs with a light rim, or with a dark one where they are too small for two colours to be told apart."""
    size = np.array(canvas.shape[1::-1])
    owners, parts = np.nonzero(people.shown)  # (J,)
    radii = 0.4 + RADII[parts] * people.line_widths[owners]  # a little more, as thin lines need visible ends
    rims = np.maximum(0.7, 0.3 * radii)
    reach = (radii + rims)[:, None]
    xy = people.xy[owners, parts]  # (J, 2)
    kept = ((xy > -1 - reach) & (xy < size + reach)).all(axis=1)
    owners, parts, radii, rims, centres = owners[kept], parts[kept], radii[kept], rims[kept], xy[kept][:, None]
    colours = [people.colours[i] for i in owners.tolist()]
    rim_colours = [
        WHITE if radius >= LEAST_RIMMED else _darkened(colour)
        for radius, colour in zip(radii.tolist(), colours, strict=True)
    ]
    fills, outlines = (centres + radius[:, None, None] * CIRCLE for radius in (radii, radii + rims))
    return _marks(canvas, owners, outlines, rim_colours, fills, colours, people.part_scores[owners, parts])


def _marks(
    canvas: Image,
    owners: NDArray[np.int64],
    outlines: NDArray[np.float64],
    outline_colours: Sequence[Colour],
    fills: NDArray[np.float64],
    fill_colours: Sequence[Colour],
    scores: NDArray[np.float32],
) -> list[_Mark]:
    """Marks of polygons (M, V, 2) in px, faint where their score is doubtful, solid where it is 0.75 or more."""
    limit = np.array(canvas.shape[1::-1])
    fixed = np.rint(outlines * ONE).astype(np.int32)
    low = ((fixed.min(axis=1) >> SHIFT) - 2).clip(0, limit)  # 2 px, as antialiasing spills over the edge
    high = ((fixed.max(axis=1) >> SHIFT) + 4).clip(0, limit)
    return list(
        map(
            _Mark,
            owners.tolist(),
            fixed,
            outline_colours,
            np.rint(fills * ONE).astype(np.int32),
            fill_colours,
            np.concatenate([low, high], axis=1).tolist(),
            (scores + 0.25).clip(0.25, 1.0).tolist(),
        )
    )


def _draw_mark(canvas: Image, mark: _Mark) -> None:
    left, top, right, bottom = mark.area
    if left == right or top == bottom:
        return
    region = canvas[top:bottom, left:right]
    before = region.copy() if mark.opacity < 1 else None
    cv2.fillConvexPoly(canvas, mark.outline, mark.outline_colour, cv2.LINE_AA, SHIFT)
    cv2.fillConvexPoly(canvas, mark.fill, mark.fill_colour, cv2.LINE_AA, SHIFT)
    if before is not None:
        cv2.addWeighted(region, mark.opacity, before, 1 - mark.opacity, 0, dst=region)


def _darkened(colour: Colour) -> Colour:
    return (colour[0] // 5, colour[1] // 5, colour[2] // 5, 255)
