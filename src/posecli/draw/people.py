"""Who is to be drawn, how thick and in which colour, whatever the style."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from posecli.draw.style import DrawStyle
from posecli.poses import Poses
from posecli.skeleton import DRAWN_EDGES, PART_INDEX

Image: TypeAlias = NDArray[np.uint8]  # (H, W, 3) RGB, or (H, W, 4) RGBA
Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom in px
Colour: TypeAlias = tuple[int, int, int, int]  # r, g, b, and 255: full coverage

# Okabe and Ito's colours for every kind of colour vision, without black, ordered so that neighbours differ most.
PALETTE: tuple[Colour, ...] = (
    (86, 180, 233, 255),  # sky blue
    (230, 159, 0, 255),  # orange
    (0, 158, 115, 255),  # bluish green
    (204, 121, 167, 255),  # reddish purple
    (240, 228, 66, 255),  # yellow
    (213, 94, 0, 255),  # vermillion
    (0, 114, 178, 255),  # blue
)
BLACK: Colour = (0, 0, 0, 255)
WHITE: Colour = (255, 255, 255, 255)
CYAN: Colour = (0, 255, 255, 255)  # the 2018 port's (255, 255, 0), which is BGR

EDGES = np.array(DRAWN_EDGES)  # (12, 2)
FACE = np.array([PART_INDEX[name] for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")])
LINE_WIDTH = 0.0048  # of the image's size, the square root of its area
PERSON_LINE_WIDTH = 0.013  # of the person's diagonal: a small far person gets finer lines
SOLIDITY = 0.25  # that a part is more opaque than its score
FADING_SCORES = 0.25  # above the least score that is shown: where parts fade in and out, in a style that fades
BOX_MARGIN = 1.8  # line widths between a box and the outermost parts
JOINT_RADIUS = 1.1  # line widths

SHIFT = 4  # fractional bits of the coordinates handed to OpenCV
ONE = 1 << SHIFT
REACH = 1 << 14  # px beyond the image at which lines are cut: within fixed point and single precision, out of sight


@dataclass(frozen=True)  # without slots, for what is computed where it is needed
class People:
    """Everybody with something to show in the image, the best-scoring last; P people."""

    xy: NDArray[np.float64]  # (P, 17, 2) px; finite where shown
    part_scores: NDArray[np.float32]  # (P, 17)
    shown: NDArray[np.bool_]  # (P, 17)
    opacities: NDArray[np.float32]  # (P, 17) in [0, 1]; the doubtful are faint
    low: NDArray[np.float64]  # (P, 2) px, the least x and y of the shown parts
    high: NDArray[np.float64]  # (P, 2) px, the largest
    limit: NDArray[np.int64]  # (2,) px, the image's last column and row
    line_widths: NDArray[np.float64]  # (P,) px
    colours: list[Colour]
    captions: list[str]  # of everybody, or none where nothing is to be written

    @cached_property
    def boxes(self) -> NDArray[np.int64]:
        """Left, top, right, bottom (P, 4) in px, within the image.

        What `Poses.boxes` says, with a margin so that discs do not straddle the box.
        """
        margin = BOX_MARGIN * self.line_widths[:, None]
        corners = [self.low.clip(0, self.limit) - margin, self.high.clip(0, self.limit) + margin]
        inside = np.concatenate(corners, axis=1).clip(0, (*self.limit, *self.limit))
        boxes: NDArray[np.int64] = np.rint(inside).astype(np.int64)
        return boxes


def gather(poses: Poses, canvas: Image, style: DrawStyle) -> People:
    """Choose and order whom `style` shows on a canvas of this size."""
    shown = np.isfinite(poses.xy).all(axis=2) & (poses.part_scores >= style.min_part_score)  # (N, 17)
    xy = poses.xy.astype(np.float64)  # doubles, as differences of large floats overflow
    low = xy.min(axis=1, where=shown[..., None], initial=np.inf)  # (N, 2)
    high = xy.max(axis=1, where=shown[..., None], initial=-np.inf)
    height, width = canvas.shape[:2]
    limit = np.array((width - 1, height - 1))
    seen = ((low <= limit) & (high >= 0)).all(axis=1)  # (N,)
    order = np.argsort(np.where(np.isnan(poses.scores), 0, poses.scores), kind="stable")
    order = order[seen[order]]  # (P,)
    xy, low, high, shown = xy[order], low[order], high[order], shown[order]
    ids = order if poses.ids is None else poses.ids[order]
    return People(
        xy=xy,
        part_scores=poses.part_scores[order],
        shown=shown,
        opacities=_opacities(poses.part_scores[order], style),
        low=low,
        high=high,
        limit=limit,
        line_widths=_line_widths(high - low, canvas),
        colours=[CYAN if style.name == "classic" else PALETTE[i] for i in (ids % len(PALETTE)).tolist()],
        captions=[_caption(poses, i, style) for i in order.tolist()] if style.labels or style.scores else [],
    )


def _opacities(part_scores: NDArray[np.float32], style: DrawStyle) -> NDArray[np.float32]:
    """How opaque parts of these scores (P, 17) are: solid at 0.75 and more, faint below."""
    opacities: NDArray[np.float32] = np.minimum(np.maximum(part_scores, 0) + np.float32(SOLIDITY), 1)
    if style.fades:
        opacities *= ((part_scores - style.min_part_score) / FADING_SCORES).clip(0, 1)
    return opacities


def _line_widths(extents: NDArray[np.float64], canvas: Image) -> NDArray[np.float64]:
    """How thick to draw people of these extents, (P, 2) px: by the image's size, thinner for who is small in it."""
    widest = LINE_WIDTH * image_size(canvas)
    own = PERSON_LINE_WIDTH * np.hypot(extents[:, 0], extents[:, 1])
    widths: NDArray[np.float64] = np.maximum(max(1.0, 0.3 * widest), np.minimum(own, max(1.0, widest)))
    return widths


def image_size(canvas: Image) -> float:
    """The square root of its area, px: what widths and font sizes are shares of."""
    return math.sqrt(canvas.shape[0] * canvas.shape[1])


def _caption(poses: Poses, i: int, style: DrawStyle) -> str:
    name = f"person {i + 1}" if poses.ids is None else f"id {poses.ids[i]}"
    score = f"{poses.scores[i]:.2f}"
    return "  ".join([name] * style.labels + [score] * style.scores)


def cut(segments: NDArray[np.float64], canvas: Image) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Cut segments (L, 2, 2) off at REACH from the image, by Liang and Barsky's rule.

    Returns which of them are kept, (L,), and what is left of those, (K, 2, 2).
    """
    if (np.abs(segments) < REACH).all():
        return np.ones(len(segments), np.bool_), segments
    low = np.array((-REACH, -REACH), np.float64)
    high = np.array((canvas.shape[1] + REACH, canvas.shape[0] + REACH), np.float64)
    start, end = segments[:, 0], segments[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):  # upright and level segments: infinities sort themselves out
        at_low, at_high = (low - start) / (end - start), (high - start) / (end - start)
    first = np.maximum(0.0, np.minimum(at_low, at_high).max(axis=1))
    last = np.minimum(1.0, np.maximum(at_low, at_high).min(axis=1))
    kept = first <= last
    t = np.stack([first, last], axis=1)[kept][..., None]  # (K, 2, 1)
    points = (1 - t) * start[kept][:, None] + t * end[kept][:, None]
    return kept, np.clip(points, low, high)  # against the rounding of huge coordinates
