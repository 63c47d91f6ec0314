"""Made-up people for tests of tracking and smoothing: a standing body, anywhere, in any size."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecli.poses import Poses
from posecli.tracking import UPRIGHT


def person(
    x: float = 0.0,
    y: float = 0.0,
    *,
    size: float = 100.0,
    score: float = 0.8,
    part_scores: ArrayLike = 0.9,
    moved: ArrayLike = 0.0,
    identity: int | None = None,
) -> Poses:
    """One person whose middle is at (x, y) px; `moved` (17, 2) or what broadcasts to it, in px, comes on top."""
    xy: NDArray[np.float64] = UPRIGHT * size + (x, y) + np.asarray(moved)
    scores = np.broadcast_to(np.asarray(part_scores, np.float32), (1, 17)).copy()
    ids = None if identity is None else np.array([identity])
    return Poses(xy[None].astype(np.float32), scores, np.array([score], np.float32), ids)


def together(people: Iterable[Poses]) -> Poses:
    """All of them in one frame, in this order."""
    people = [one for one in people if len(one)]
    if not people:
        return Poses.empty()
    ids = [one.ids for one in people]
    return Poses(
        np.concatenate([one.xy for one in people]),
        np.concatenate([one.part_scores for one in people]),
        np.concatenate([one.scores for one in people]),
        np.concatenate([each for each in ids if each is not None]) if ids[0] is not None else None,
    )
