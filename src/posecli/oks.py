"""Object keypoint similarity (OKS), COCO's measure of how well two poses of a person agree, given the person's size.

A part that is off by d px counts exp(-d^2 / (2 * area * falloff^2)): the more exactly people agree on where a part is,
the faster it falls.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecli.skeleton import COCO_SIGMAS

FALLOFFS = 2 * np.array(COCO_SIGMAS)  # (17,), as COCO's own evaluation takes them


def object_keypoint_similarity(pose: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """The OKS, in [0, 1], of each of N others (N, 17, 2) to a pose (17, 2): 1 where all parts coincide.

    The area of the person is that of the box around the pose, at least 1 px^2.
    """
    area = max(float(np.ptp(pose, axis=0).prod()), 1.0)
    squared = ((others.astype(np.float64) - pose) ** 2).sum(axis=-1)  # (N, 17)
    similarities: NDArray[np.float64] = np.exp(-squared / (2 * area * FALLOFFS**2)).mean(axis=-1)
    return similarities
