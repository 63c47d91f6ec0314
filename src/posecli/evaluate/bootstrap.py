"""How far AP would move had other photos been chosen: its bootstrap interval over images.

The images are drawn anew, with replacement, as many as there are; AP is computed of each draw, from the matches that
pycocotools has found; the middle 95 % of the draws' APs are the interval. A match concerns one image alone, so nothing
is matched again: an image drawn k times counts k times, in the people to be found and in the poses, right and wrong.
A draw without an annotated person has no AP and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDS = 500
SEED = 0
LEVEL = 0.95
_RECALLS = np.linspace(0.0, 1.0, 101)  # at which pycocotools reads the precision


@dataclass(frozen=True, slots=True)
class Matches:
    """What pycocotools has matched: D poses by decreasing score on I images, at T thresholds of OKS."""

    image: NDArray[np.intp]  # (D,) index of each pose's image
    right: NDArray[np.bool_]  # (T, D) matched to a person
    wrong: NDArray[np.bool_]  # (T, D) not matched; neither where it is matched to who is to be ignored
    people: NDArray[np.intp]  # (I,) annotated on each image

    def average_precision(self, weights: NDArray[np.intp]) -> float:
        """AP where image i counts `weights[i]` times; NaN where that leaves nobody to be found."""
        total = int(weights @ self.people)
        if total == 0:
            return float("nan")
        weight = weights[self.image]  # (D,)
        right = np.cumsum(self.right * weight, axis=1, dtype=np.float64)  # (T, D)
        wrong = np.cumsum(self.wrong * weight, axis=1, dtype=np.float64)
        precision = right / (right + wrong + np.spacing(1))
        best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        # One more column: recalls that are never reached have precision 0.
        best_from_here = np.pad(best_from_here, ((0, 0), (0, 1)))
        reached = [np.searchsorted(recall, _RECALLS) for recall in right / total]
        return float(np.take_along_axis(best_from_here, np.array(reached), axis=1).mean())

    def interval(self) -> tuple[float, float] | None:
        """The bootstrap interval of AP; None where nobody is annotated."""
        rng = np.random.default_rng(SEED)
        images = len(self.people)
        draws = rng.multinomial(images, np.full(images, 1 / images), size=ROUNDS)  # (ROUNDS, I)
        precisions = np.array([self.average_precision(draw) for draw in draws])
        precisions = precisions[~np.isnan(precisions)]
        if not len(precisions):
            return None
        low, high = np.quantile(precisions, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)
