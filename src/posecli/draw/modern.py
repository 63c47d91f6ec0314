"""The modern style: limbs in a dark casing, joints with a rim, both fading with their confidence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from operator import itemgetter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from posecli.draw.people import EDGES, FACE, JOINT_RADIUS, ONE, SHIFT, WHITE, Box, Colour, Image, People, cut
from posecli.opencv import cv2
from posecli.skeleton import NUM_PARTS

FACE_RADIUS = 0.7  # line widths
RADII = np.where(np.isin(np.arange(NUM_PARTS), FACE), FACE_RADIUS, JOINT_RADIUS)  # (17,) line widths
STARTS, ENDS = EDGES.T  # (12,) each
LEFT = np.array((-1.0, 1.0))  # times (y, x): a quarter turn of (x, y)
LEAST_RIMMED = 2.3  # px, the radius of the smallest joint with a light rim
SPILL = 3  # px beyond a mark that antialiasing may touch

# A limb or a joint, a convex polygon on top of its outline: whose it is, outline and colour, polygon and colour, each
# (V, 2) px * ONE, what it may touch, its opacity. Plain tuples, as a frame has hundreds.
Mark: TypeAlias = tuple[int, NDArray[np.int32], Colour, NDArray[np.int32], Colour, Box, float]


def draw_modern(canvas: Image, people: People) -> None:
    """Draw everybody, the best-scoring on top."""
    darkened = [(r // 5, g // 5, b // 5, 255) for r, g, b, _ in people.colours]
    marks = [*_limbs(people, darkened, canvas), *_joints(people, darkened, canvas)]
    marks.sort(key=itemgetter(0))  # stable: of each person the limbs, then the joints
    fill_polygon, antialiased = cv2.fillConvexPoly, cv2.LINE_AA
    for _, outline, outline_colour, fill, fill_colour, (left, top, right, bottom), opacity in marks:
        if opacity == 1:
            fill_polygon(canvas, outline, outline_colour, antialiased, SHIFT)
            fill_polygon(canvas, fill, fill_colour, antialiased, SHIFT)
        elif left < right and top < bottom:
            region = canvas[top:bottom, left:right]
            before = region.copy()
            fill_polygon(canvas, outline, outline_colour, antialiased, SHIFT)
            fill_polygon(canvas, fill, fill_colour, antialiased, SHIFT)
            cv2.addWeighted(region, opacity, before, 1 - opacity, 0, region)


def _limbs(people: People, darkened: list[Colour], canvas: Image) -> Iterator[Mark]:
    """Lines of the person's colour in a dark casing, which sets them off from any photo."""
    owners, edges = np.nonzero(people.shown[:, STARTS] & people.shown[:, ENDS])  # (L,)
    kept, segments = cut(people.xy[owners[:, None], EDGES[edges]], canvas)
    owners, edges = owners[kept], edges[kept]
    start, end = segments[:, 0], segments[:, 1]
    way = end - start  # (L, 2)
    length = np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-6)
    aside = way[:, ::-1] * LEFT / length[:, None]  # a unit step to the side
    widths = people.line_widths[owners]
    half_widths = np.array([widths / 2 + np.maximum(0.8, 0.28 * widths), widths / 2])  # (2, L) with casing, without
    offset = aside * half_widths[..., None]  # (2, L, 2)
    bars = np.stack([start + offset, end + offset, end - offset, start - offset], axis=2)  # (2, L, 4, 2)
    reach = half_widths[0, :, None]
    areas = _areas(np.minimum(start, end) - reach, np.maximum(start, end) + reach, canvas)
    opacities = np.minimum(people.opacities[owners, STARTS[edges]], people.opacities[owners, ENDS[edges]])
    return _marks(people, owners, bars, [darkened[i] for i in owners.tolist()], areas, opacities)


def _joints(people: People, darkened: list[Colour], canvas: Image) -> Iterator[Mark]:
    """Discs with a light rim, or with a dark one where they are too small for two colours to be told apart."""
    size = np.array(canvas.shape[1::-1])
    owners, parts = np.nonzero(people.shown)  # (J,)
    xy = people.xy[owners, parts]  # (J, 2)
    radii = 0.4 + RADII[parts] * people.line_widths[owners]  # a little more, as thin lines need visible ends
    reach = radii + np.maximum(0.7, 0.3 * radii)
    near = (xy > -1 - reach[:, None]) & (xy < size + reach[:, None])
    if not near.all():
        kept = near.all(axis=1)
        owners, parts, xy, radii, reach = owners[kept], parts[kept], xy[kept], radii[kept], reach[kept]
    corners = 4 * math.ceil(math.sqrt(reach.max(initial=4)))  # nowhere 0.16 px off; rounder than cv2.circle
    discs = xy[:, None] + np.array([reach, radii])[..., None, None] * _circle(corners)  # (2, J, V, 2)
    rims = [
        WHITE if is_rimmed else darkened[i]
        for i, is_rimmed in zip(owners.tolist(), (radii >= LEAST_RIMMED).tolist(), strict=True)
    ]
    areas = _areas(xy - reach[:, None], xy + reach[:, None], canvas)
    return _marks(people, owners, discs, rims, areas, people.opacities[owners, parts])


@cache
def _circle(corners: int) -> NDArray[np.float64]:
    """A unit circle as a polygon (V, 2), half of its deviation outside, half inside."""
    turn = np.arange(corners) * (2 * math.pi / corners)
    return 2 / (1 + math.cos(math.pi / corners)) * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def _areas(low: NDArray[np.float64], high: NDArray[np.float64], canvas: Image) -> list[Box]:
    """What marks between these corners (M, 2) px may touch, within the canvas."""
    height, width = canvas.shape[:2]
    corners = np.concatenate([low - SPILL, high + (SPILL + 1)], axis=1)
    areas: list[Box] = np.clip(corners, 0, np.array((width, height, width, height))).astype(np.int64).tolist()
    return areas


def _marks(
    people: People,
    owners: NDArray[np.int64],
    polygons: NDArray[np.float64],
    outline_colours: list[Colour],
    areas: list[Box],
    opacities: NDArray[np.float32],
) -> Iterator[Mark]:
    """Marks of outlines and fills (2, M, V, 2) in px, filled with the colours of their owners."""
    outlines, fills = np.rint(polygons * ONE).astype(np.int32)
    whose = owners.tolist()
    colours = [people.colours[i] for i in whose]
    return zip(whose, outlines, outline_colours, fills, colours, areas, opacities.tolist(), strict=True)
