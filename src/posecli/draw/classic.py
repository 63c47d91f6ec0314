"""The classic style: the look of rwightman/posenet-pytorch."""

from __future__ import annotations

import numpy as np

from posecli.draw.people import CYAN, EDGES, ONE, REACH, SHIFT, Image, People, cut
from posecli.opencv import cv2


def draw_classic(canvas: Image, people: People) -> None:
    """As rwightman/posenet-pytorch drew in 2018: cyan circles of diameter 10 * score, then hard 1 px lines."""
    size = np.array(canvas.shape[1::-1])
    near = people.shown & ((people.xy >= -REACH) & (people.xy <= size + REACH)).all(axis=2)
    radii = np.rint(5 * ONE * np.minimum(people.part_scores[near], 1)).astype(np.int64)
    for centre, radius in zip(np.rint(people.xy[near] * ONE).astype(np.int64).tolist(), radii.tolist(), strict=True):
        cv2.circle(canvas, centre, radius, CYAN, 1, cv2.LINE_AA, SHIFT)
    owners, edges = np.nonzero(people.shown[:, EDGES].all(axis=2))
    _, segments = cut(people.xy[owners[:, None], EDGES[edges]], canvas)
    cv2.polylines(canvas, list(segments.astype(np.int32)), isClosed=False, color=CYAN)  # cut off, as there
