"""What the window says over the picture: plates with text, in the corners, at the foot and in the middle.

A plate is drawn once, four times too large, and scaled down, which makes OpenCV's strokes smooth; it is kept until it
says something else. A picture gets it by blending its own pixels only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecli.live.keys import KEYS
from posecli.opencv import cv2

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Colour = tuple[int, int, int]  # r, g, b

TEXT_SIZE = 0.0145  # height of a capital, as a share of the square root of the picture's area
MIN_TEXT_SIZE, LEAST_TEXT_SIZE = 9, 5  # px; as drawn, and what a narrow picture may shrink it to
FINE = 4  # times that a plate is drawn too large
FONT = cv2.FONT_HERSHEY_DUPLEX
CAPITAL = 22.0  # px, the height of a capital of FONT at scale 1
STROKE = 0.13  # width of a letter's lines, in text sizes
PADDING, GAP, MARGIN, RADIUS = 1.0, 1.4, 1.1, 0.9  # in text sizes
LINE, CAPPED_LINE = 2.1, 2.8  # from one line to the next, in text sizes; with keys' caps
GROUND: Colour = (15, 17, 23)
GROUND_ALPHA = 0.74
BRIGHT: Colour = (246, 247, 250)
DIM: Colour = (163, 171, 186)
ACCENT: Colour = (86, 180, 233)
RED: Colour = (240, 66, 66)
AMBER: Colour = (245, 184, 65)
CAP: Colour = (58, 64, 79)
FADED = 0.4  # brightness of the last picture while no other comes


class Piece(NamedTuple):
    """A stretch of text in one colour."""

    text: str
    colour: Colour = BRIGHT


class Row(NamedTuple):
    """A line of a plate: a key's cap or a dot, if any, and text."""

    pieces: tuple[Piece, ...]
    cap: str = ""
    has_dot: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """What is to be said over a picture."""

    fps: float | None = None
    latency_s: float | None = None
    people: int = 0
    setting: str = ""  # quality and size, such as "fast 385"
    recorded_s: float | None = None  # None where nothing is recorded
    notice: str = ""  # what a key has done
    trouble: str | None = None  # why no picture comes
    shows_help: bool = False


class _Plate(NamedTuple):
    """A drawn plate."""

    image: Image
    alpha: NDArray[np.float32]  # (h, w) in [0, 1]


def overlay(canvas: Image, status: Status) -> None:
    """Write the status over a picture, in place."""
    if status.trouble is not None:
        np.copyto(canvas, cv2.convertScaleAbs(canvas, alpha=FADED))
    _put(canvas, (_corner(status),), 0.0, 0.0)
    if status.recorded_s is not None:
        minutes, seconds = divmod(int(status.recorded_s), 60)
        _put(canvas, (Row((Piece("REC", RED), Piece(f" {minutes}:{seconds:02d}")), has_dot=True),), 1.0, 0.0)
    if status.notice:
        _put(canvas, (Row((Piece(status.notice),)),), 0.5, 1.0)
    if status.trouble is not None:
        _put(canvas, tuple(Row((Piece(line, AMBER),)) for line in _lines(status.trouble)), 0.5, 0.5)
    elif status.shows_help:
        _put(canvas, tuple(Row((Piece(key.help),), cap=key.label) for key in KEYS), 0.5, 0.5)


def _corner(status: Status) -> Row:
    fps = "-" if status.fps is None else f"{status.fps:.0f}"
    latency = "-" if status.latency_s is None else f"{1000 * status.latency_s:.0f}"
    people = "person" if status.people == 1 else "people"
    pieces = [Piece(fps), Piece(" fps   ", DIM), Piece(latency), Piece(" ms   ", DIM), Piece(str(status.people))]
    pieces.append(Piece(f" {people}", DIM))
    if status.setting:
        pieces.append(Piece(f"   {status.setting}", ACCENT))
    return Row(tuple(pieces))


def _lines(text: str) -> list[str]:
    """A message in lines that are easy to read: one for each of its parts."""
    return [part.strip() for part in text.split(";")]


def _put(canvas: Image, rows: tuple[Row, ...], across: float, down: float) -> None:
    """Blend a plate into a picture; 0, 0 is the top left corner, 1, 1 the bottom right one."""
    height, width = canvas.shape[:2]
    size = max(MIN_TEXT_SIZE, round(TEXT_SIZE * math.sqrt(height * width)))
    plate = _plate(rows, size)
    room = min(1.0, width / plate.image.shape[1], height / plate.image.shape[0])
    if room < 1:
        size = math.floor(size * room)
        if size < LEAST_TEXT_SIZE:  # nobody could read it
            return
        plate = _plate(rows, size)
    plate_height, plate_width = plate.alpha.shape
    space_x, space_y = max(0, width - plate_width), max(0, height - plate_height)
    margin = round(MARGIN * size)
    left = min(max(round(across * space_x), min(margin, space_x // 2)), space_x - min(margin, space_x // 2))
    top = min(max(round(down * space_y), min(margin, space_y // 2)), space_y - min(margin, space_y // 2))
    region = canvas[top : top + plate_height, left : left + plate_width]
    image, alpha = plate.image[: region.shape[0], : region.shape[1]], plate.alpha[: region.shape[0], : region.shape[1]]
    region[:] = cv2.blendLinear(np.ascontiguousarray(region), np.ascontiguousarray(image), 1 - alpha, alpha)


@lru_cache(maxsize=64)
def _plate(rows: tuple[Row, ...], size: int) -> _Plate:
    """A rounded plate with these lines, for capitals of `size` px."""
    fine = size * FINE
    cap_width = max((_width(row.cap, fine) for row in rows), default=0)
    indent = math.ceil(cap_width + (1.2 + GAP) * fine) if cap_width else 0
    dot = math.ceil(1.6 * fine)
    line, padding = (CAPPED_LINE, 1.5 * PADDING) if cap_width else (LINE, PADDING)
    widths = [
        indent + dot * row.has_dot + sum(_width(_ascii(piece.text), fine) for piece in row.pieces) for row in rows
    ]
    height = math.ceil((line * (len(rows) - 1) + 1 + 2 * padding) * size)
    width = math.ceil(max(widths) / FINE + 2 * 1.15 * padding * size)
    image = np.empty((height * FINE, width * FINE, 3), np.uint8)
    image[:] = GROUND
    for number, row in enumerate(rows):
        x = round(1.15 * padding * fine)
        base = round((padding + 1 + line * number) * fine)  # where letters stand
        if row.cap:
            _draw_cap(image, row.cap, x, base, cap_width, fine)
        if row.has_dot:
            cv2.circle(image, (x + round(0.5 * fine), base - fine // 2), round(0.48 * fine), RED, cv2.FILLED)
        x += indent + dot * row.has_dot
        for piece in row.pieces:
            _write(image, _ascii(piece.text), x, base, piece.colour, fine)
            x += _width(_ascii(piece.text), fine)
    shape = np.zeros(image.shape[:2], np.uint8)
    _fill_rounded(shape, (0, 0, image.shape[1], image.shape[0]), round(RADIUS * fine), 255)
    alpha = cv2.resize(shape, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) * (GROUND_ALPHA / 255)
    small = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    ink = np.abs(small.astype(np.int16) - np.array(GROUND, np.int16)).max(axis=2)  # text covers all
    return _Plate(small, np.maximum(alpha, np.minimum(alpha / GROUND_ALPHA, ink.astype(np.float32) / 48)))


def _draw_cap(image: Image, label: str, x: int, base: int, width: int, fine: int) -> None:
    """A key with its label in the middle."""
    side = round(0.6 * fine)
    place = (x, base - fine - round(0.55 * fine), x + width + 2 * side, base + round(0.55 * fine))
    _fill_rounded(image, place, round(0.45 * fine), CAP)
    _write(image, label, x + side + (width - _width(label, fine)) // 2, base, BRIGHT, fine)


def _fill_rounded(image: Image, place: tuple[int, int, int, int], radius: int, colour: Colour | int) -> None:
    left, top, right, bottom = place[0], place[1], place[2] - 1, place[3] - 1
    cv2.rectangle(image, (left + radius, top), (right - radius, bottom), colour, cv2.FILLED)
    cv2.rectangle(image, (left, top + radius), (right, bottom - radius), colour, cv2.FILLED)
    for x in (left + radius, right - radius):
        for y in (top + radius, bottom - radius):
            cv2.circle(image, (x, y), radius, colour, cv2.FILLED)


def _write(image: Image, text: str, x: int, base: int, colour: Colour, fine: int) -> None:
    cv2.putText(image, text, (x, base), FONT, fine / CAPITAL, colour, _weight(fine), cv2.LINE_AA)


def _width(text: str, fine: int) -> int:
    return int(cv2.getTextSize(text, FONT, fine / CAPITAL, _weight(fine))[0][0]) if text else 0


def _weight(fine: int) -> int:
    return max(1, round(STROKE * fine))


def _ascii(text: str) -> str:
    """What OpenCV's font can write."""
    return text.encode("ascii", "replace").decode()
