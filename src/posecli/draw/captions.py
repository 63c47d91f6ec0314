"""Boxes around people, and captions on plates over their heads."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from posecli.draw.people import (
    BLACK,
    FACE,
    JOINT_RADIUS,
    LINE_WIDTH,
    ONE,
    SHIFT,
    WHITE,
    Box,
    Colour,
    Image,
    People,
    image_size,
)
from posecli.opencv import cv2

FONT_SIZE = 0.0175  # height of a capital as a share of the image's size
MIN_FONT_SIZE = 7.0  # px
LEAST_FONT_SIZE = 4.0  # px; what an image too narrow for MIN_FONT_SIZE may shrink it to; below, nothing is written
PADDING = 0.55  # of a caption on its plate, in font sizes
PLATE_GAP = 2  # px between plates
CAPITAL = 22.0  # px, the height of a capital of FONT at scale 1
FONT = cv2.FONT_HERSHEY_DUPLEX
_TURN = np.linspace(np.arange(4), np.arange(1, 5), 5, axis=1) * (math.pi / 2)
QUARTERS = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=2)  # (4, 5, 2) of a unit circle, from right to bottom and on
FACE_PARTS: list[int] = FACE.tolist()


def draw_boxes(canvas: Image, people: People) -> None:
    """Draw a thin box around each person."""
    line = max(1, round(0.5 * LINE_WIDTH * image_size(canvas)))
    for (left, top, right, bottom), colour in zip(people.boxes.tolist(), people.colours, strict=True):
        cv2.rectangle(canvas, (left, top), (right, bottom), colour, line)


def draw_captions(canvas: Image, people: People, boxed: bool) -> None:
    """Name everybody on a plate of their colour; the best-scoring choose their place first.

    In a crowd, who finds no free place is named by number only, or not at all: no plate covers another.
    """
    plates: list[Plate] = []
    for i in reversed(range(len(people.captions))):
        for text in dict.fromkeys((people.captions[i], people.captions[i].removeprefix("person "))):
            plate = _free_plate(canvas, people, i, text, boxed, plates)
            if plate is not None:
                plates.append(plate)
                break
    for plate in plates:
        _draw_plate(canvas, plate)


class Plate(NamedTuple):
    """A caption in its place."""

    place: Box
    text: str
    size: float  # height of a capital, px
    colour: Colour


def _free_plate(canvas: Image, people: People, i: int, text: str, boxed: bool, taken: list[Plate]) -> Plate | None:
    """The plate for person i where none is yet, the best place first; None where there is no room."""
    height, width = canvas.shape[:2]
    size = max(MIN_FONT_SIZE, FONT_SIZE * image_size(canvas))
    full_width, full_height = _plate_size(text, size)
    size *= min(1.0, width / full_width, height / full_height)
    if size < LEAST_FONT_SIZE:
        return None
    plate_width, plate_height = _plate_size(text, size)
    for left, top in _caption_places(people, i, plate_width, plate_height, boxed):
        left, top = max(0, min(left, width - plate_width)), max(0, min(top, height - plate_height))
        place = (left, top, left + plate_width, top + plate_height)
        if not any(_overlap(place, plate.place) for plate in taken):
            return Plate(place, text, size, people.colours[i])
    return None


def _plate_size(caption: str, size: float) -> tuple[int, int]:
    """Width and height in px of a caption whose capitals are `size` px high, with its padding."""
    (text_width, _), _ = cv2.getTextSize(caption, FONT, size / CAPITAL, _text_weight(size))
    return math.ceil(text_width + 2 * PADDING * size), math.ceil((1 + 2 * PADDING) * size)


def _text_weight(size: float) -> int:
    return max(1, round(size / 24))


def _caption_places(people: People, i: int, width: int, height: int, boxed: bool) -> list[tuple[int, int]]:
    """Where the top left corner of a plate of this size may be, best first: on the box, or over the head."""
    left, top, right, bottom = people.boxes[i].tolist()
    if boxed:
        return [(left, top - height), (left, bottom), (left, top), (right - width, bottom), (left, bottom - height)]
    xy, shown = people.xy[i].tolist(), people.shown[i].tolist()  # single numbers are quicker than arrays of a few
    face = [xy[part][0] for part in FACE_PARTS if shown[part]]
    head_x = face or [min((part_y, part_x) for (part_x, part_y), found in zip(xy, shown, strict=True) if found)[1]]
    centre = min(max(sum(head_x) / len(head_x), left), right)
    brow = 0.7 * min(max(head_x) - min(head_x), right - left)  # about as far as a head rises over its eyes
    x, y = round(centre - width / 2), round(top - brow - JOINT_RADIUS * float(people.line_widths[i])) - height
    up, aside = height + PLATE_GAP, width + PLATE_GAP
    return [(x, y), *((x + dx, y - dy) for dy in (up, 2 * up) for dx in (0, -aside, aside)), (x, bottom)]


def _overlap(a: Box, b: Box) -> bool:
    gap = PLATE_GAP
    return a[0] < b[2] + gap and b[0] < a[2] + gap and a[1] < b[3] + gap and b[1] < a[3] + gap


def _draw_plate(canvas: Image, plate: Plate) -> None:
    """Draw a rounded plate with its caption in black or white, whichever reads better."""
    (left, top, right, bottom), caption, size, colour = plate
    radius = 0.4 * size
    low_x, low_y, high_x, high_y = left + radius, top + radius, right - 1 - radius, bottom - 1 - radius
    centres = np.array([(high_x, high_y), (low_x, high_y), (low_x, low_y), (high_x, low_y)])
    polygon = np.rint((centres[:, None] + radius * QUARTERS).reshape(-1, 2) * ONE).astype(np.int32)
    cv2.fillConvexPoly(canvas, polygon, colour, cv2.LINE_AA, SHIFT)
    region = canvas[top:bottom, left:right, :3]
    text = np.ascontiguousarray(region)  # without coverage: the plate is opaque, and so stays under its text
    origin = (round(PADDING * size), round((1 + PADDING) * size))
    ink = BLACK if _luminance(colour) > 0.179 else WHITE  # where both contrast equally by WCAG 2
    cv2.putText(text, caption, origin, FONT, size / CAPITAL, ink, _text_weight(size), cv2.LINE_AA)
    region[:] = text


def _luminance(colour: Colour) -> float:
    """Relative luminance in [0, 1] as WCAG 2 defines it."""
    red, green, blue = (
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (channel / 255 for channel in colour[:3])
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
