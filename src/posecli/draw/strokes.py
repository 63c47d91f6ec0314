"""Strokes: antialiased lines with round ends, in another colour along their edges. Compiled, for there are many pixels.

Stroke after stroke is painted. Of each row that it reaches: from where to where; then how much of each pixel it covers,
in a loop of its own, which becomes vector instructions; then the colours are mixed.

A shape covers a pixel by how far the pixel's centre lies within its edge: wholly from half a pixel inside, not at all
from half a pixel outside. That goes for a stroke, and for what its outline leaves of it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from posecli.decode.jit import kernel
from posecli.draw.people import Image


@kernel
def extent(
    dy: float,  # px, of the row from the segment's start
    unit_x: float,  # direction of the segment
    unit_y: float,
    length: float,  # px, of the segment
    reach: float,  # px
) -> tuple[float, float]:
    """From where to where, in px from the segment's start, a row may be within reach of the segment.

    That is the row's part in the stroke's bounding rectangle, whose sides are those of the stroke.
    """
    low, high = min(0.0, length * unit_x) - reach, max(0.0, length * unit_x) + reach
    if abs(unit_y) > 1e-9:
        one_side, other_side = (dy * unit_x - reach) / unit_y, (dy * unit_x + reach) / unit_y
        low, high = max(low, min(one_side, other_side)), min(high, max(one_side, other_side))
    if abs(unit_x) > 1e-9:
        one_end, other_end = (-reach - dy * unit_y) / unit_x, (length + reach - dy * unit_y) / unit_x
        low, high = max(low, min(one_end, other_end)), min(high, max(one_end, other_end))
    return low, high


@kernel
def cover(
    covered: NDArray[np.float32],  # (W,) is filled from 0 on: the share of each pixel that the stroke covers
    inside: NDArray[np.float32],  # (W,) likewise: that of the stroke without its outline
    pixels: int,
    dx: float,  # px, of the first pixel from the segment's start
    dy: float,
    unit_x: float,  # direction of the segment
    unit_y: float,
    length: float,  # px, of the segment
    reach: float,  # px from the segment to where the cover ends
    inner_reach: float,  # px
) -> None:
    """Find how much of so many pixels of a row is covered, by the distance of each from the segment."""
    # Single precision, twice as many numbers an instruction; one double among them would make doubles of all.
    first_along, along_step = np.float32(dx * unit_x + dy * unit_y), np.float32(unit_x)
    first_aside, aside_step = np.float32(dy * unit_x - dx * unit_y), np.float32(-unit_y)
    end, outer, inner = np.float32(length), np.float32(reach), np.float32(inner_reach)
    zero, one = np.float32(0), np.float32(1)
    for i in range(pixels):
        along = first_along + np.float32(i) * along_step
        aside = first_aside + np.float32(i) * aside_step
        beyond = max(-along, along - end, zero)
        distance = np.float32(math.sqrt(aside * aside + beyond * beyond))
        covered[i] = min(one, max(zero, outer - distance))
        inside[i] = min(one, max(zero, inner - distance))


@kernel
def mix(
    row: Image,  # (W, 3) or (W, 4), so many pixels of the canvas
    covered: NDArray[np.float32],  # (W,) and more
    inside: NDArray[np.float32],  # (W,) and more
    colour: NDArray[np.float32],  # (3,)
    outline_colour: NDArray[np.float32],  # (3,)
    opacity: np.float32,
) -> None:
    """Mix the stroke's colours into pixels of a row."""
    half, one, full = np.float32(0.5), np.float32(1), np.float32(255)
    has_alpha = row.shape[1] == 4
    # Out of their arrays: for all that the compiler knows, each write to the row might change those.
    red, green, blue = np.uint8(colour[0]), np.uint8(colour[1]), np.uint8(colour[2])
    rim_red, rim_green, rim_blue = outline_colour[0], outline_colour[1], outline_colour[2]
    more_red, more_green, more_blue = colour[0] - rim_red, colour[1] - rim_green, colour[2] - rim_blue
    for i in range(len(row)):
        share, inner = opacity * covered[i], inside[i]
        if share == one and inner == one:  # as half of the pixels are
            row[i, 0], row[i, 1], row[i, 2] = red, green, blue
        else:
            before = np.float32(row[i, 0]), np.float32(row[i, 1]), np.float32(row[i, 2])
            row[i, 0] = np.uint8(before[0] + share * (rim_red + inner * more_red - before[0]) + half)
            row[i, 1] = np.uint8(before[1] + share * (rim_green + inner * more_green - before[1]) + half)
            row[i, 2] = np.uint8(before[2] + share * (rim_blue + inner * more_blue - before[2]) + half)
        if has_alpha:
            alpha = np.float32(row[i, 3])
            row[i, 3] = np.uint8(alpha + share * (full - alpha) + half)


@kernel
def paint(
    canvas: Image,  # (H, W, 3) RGB, or (H, W, 4) RGBA with premultiplied colours
    segments: NDArray[np.float64],  # (M, 2, 2) px, where each stroke starts and ends; a disc where these are equal
    radii: NDArray[np.float64],  # (M,) px, without the outline
    outlines: NDArray[np.float64],  # (M,) px, how thick the outline is
    colours: NDArray[np.float32],  # (M, 3)
    outline_colours: NDArray[np.float32],  # (M, 3)
    opacities: NDArray[np.float32],  # (M,) in [0, 1]
) -> None:
    """Paint strokes over the canvas, in place.

    They may begin and end outside the canvas, within `people.REACH`, where single precision is still exact enough.
    """
    height, width = canvas.shape[:2]
    covered, inside = np.empty(width, np.float32), np.empty(width, np.float32)
    for m in range(len(segments)):
        start_x, start_y = segments[m, 0]
        end_x, end_y = segments[m, 1]
        length = math.sqrt((end_x - start_x) ** 2 + (end_y - start_y) ** 2)
        unit_x, unit_y = 1.0, 0.0  # of a disc, any
        if length > 1e-6:
            unit_x, unit_y = (end_x - start_x) / length, (end_y - start_y) / length
        inner_reach = radii[m] + 0.5
        reach = inner_reach + outlines[m]
        top, bottom = max(0, math.ceil(min(start_y, end_y) - reach)), math.floor(max(start_y, end_y) + reach)
        for y in range(top, min(bottom, height - 1) + 1):
            dy = y - start_y
            low, high = extent(dy, unit_x, unit_y, length, reach)
            left, right = max(0, math.ceil(start_x + low)), min(width - 1, math.floor(start_x + high))
            pixels = max(right - left + 1, 0)
            dx = left - start_x
            cover(covered, inside, pixels, dx, dy, unit_x, unit_y, length, reach, inner_reach)
            mix(canvas[y, left : left + pixels], covered, inside, colours[m], outline_colours[m], opacities[m])


@kernel
def straighten(canvas: Image) -> None:
    """Turn premultiplied colours, (H, W, 4), into straight ones, in place."""
    for y in range(canvas.shape[0]):
        for x in range(canvas.shape[1]):
            alpha = canvas[y, x, 3]
            if 0 < alpha < 255:
                scale = 255 / float(alpha)
                for k in range(3):
                    canvas[y, x, k] = np.uint8(min(255.0, canvas[y, x, k] * scale + 0.5))
