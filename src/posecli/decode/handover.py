"""What leaves a decoder: here (y, x) becomes (x, y), and float64 becomes float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecli.decode.jit import kernel
from posecli.skeleton import NUM_PARTS


@kernel
def hand_over(
    yx: NDArray[np.float64],  # (N, 17, 2)
    part_scores: NDArray[np.float64],  # (N, 17)
    scores: NDArray[np.float64],  # (N,)
    min_pose_score: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Keep the poses that reach the minimum and are finite throughout: xy, part scores and scores of those."""
    poses = len(scores)
    xy = np.empty((poses, NUM_PARTS, 2), np.float32)
    kept_part_scores = np.empty((poses, NUM_PARTS), np.float32)
    kept_scores = np.empty(poses, np.float32)
    kept = 0
    for pose in range(poses):
        keep = scores[pose] >= min_pose_score  # false for NaN
        for part in range(NUM_PARTS):
            y, x, part_score = yx[pose, part, 0], yx[pose, part, 1], part_scores[pose, part]
            xy[kept, part, 0], xy[kept, part, 1] = x, y
            kept_part_scores[kept, part] = part_score
            keep &= np.isfinite(xy[kept, part, 0]) and np.isfinite(xy[kept, part, 1])  # as float32, which is narrower
            keep &= np.isfinite(kept_part_scores[kept, part])
        kept_scores[kept] = scores[pose]
        keep &= np.isfinite(kept_scores[kept])
        if keep:
            kept += 1  # otherwise the next pose takes this place
    return xy[:kept], kept_part_scores[:kept], kept_scores[:kept]
