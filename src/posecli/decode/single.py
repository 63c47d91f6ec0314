"""One person in the image, as TF.js PoseNet's single-person mode has it.

Each part is where its highest cell says: cell * stride + offset; among equal cells the first in scan order counts. The
pose's score is the mean of the 17 part scores. NaN never is the highest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecli.decode.jit import kernel
from posecli.skeleton import NUM_PARTS


@kernel
def decode_single(
    heatmaps: NDArray[np.float32],  # (17, h, w)
    offsets: NDArray[np.float32],  # (34, h, w)
    stride: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Find the one person: parts (1, 17, 2) as (y, x) in network-input px, part scores (1, 17), pose score (1,)."""
    _, height, width = heatmaps.shape
    yx = np.empty((1, NUM_PARTS, 2))
    part_scores = np.empty((1, NUM_PARTS))
    total = 0.0
    for part in range(NUM_PARTS):
        best_y, best_x = 0, 0
        for y in range(height):
            for x in range(width):
                best = heatmaps[part, best_y, best_x]
                if heatmaps[part, y, x] > best or np.isnan(best):
                    best_y, best_x = y, x
        yx[0, part, 0] = best_y * stride + np.float64(offsets[part, best_y, best_x])
        yx[0, part, 1] = best_x * stride + np.float64(offsets[NUM_PARTS + part, best_y, best_x])
        part_scores[0, part] = heatmaps[part, best_y, best_x]
        total += part_scores[0, part]
    scores = np.empty(1)
    scores[0] = total / NUM_PARTS
    return yx, part_scores, scores
