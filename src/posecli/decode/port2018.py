"""Many people in one image, by the rules of the 2018 port (rwightman/posenet-pytorch), for those who rely on them.

It is the original's algorithm (see `multi`) with these differences:

1. The threshold is compared in float32. Roots of equal score come in no defined order there; here in scan order: part,
   y, x.
2. A step along an edge refines once, not twice, and reads the score at the cell that it refines from.
3. Rounding to the nearest cell takes halves to the even cell.
4. A score of 0 means "not placed": such a part is a source of no step, and can be placed again by a later one.
5. A pose under the minimum score is forgotten at once: it suppresses nobody and takes no place. With a minimum of 0
   every pose stays.

Helpers that `multi` has as well are written out here, because a kernel calls none of another module (see `jit`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecli.decode.jit import kernel
from posecli.skeleton import NUM_EDGES, NUM_PARTS, TREE_EDGES

PARENTS = np.array([parent for parent, _ in TREE_EDGES])  # (16,), by edge
CHILDREN = np.array([child for _, child in TREE_EDGES])


def decode_port2018(
    heatmaps: NDArray[np.float32],  # (17, h, w)
    offsets: NDArray[np.float32],  # (34, h, w)
    forward: NDArray[np.float32],  # (32, h, w)
    backward: NDArray[np.float32],  # (32, h, w)
    stride: int,
    max_poses: int,
    score_threshold: float,
    nms_radius: float,
    min_pose_score: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Find people: parts (N, 17, 2) as (y, x) in network-input px, part scores (N, 17) and pose scores (N,)."""
    roots = find_roots(heatmaps, score_threshold)
    roots = roots[np.argsort(-heatmaps.reshape(-1)[roots], kind="stable")]
    return grow_poses(
        roots, heatmaps, offsets, forward, backward, stride, max_poses, nms_radius * nms_radius, min_pose_score
    )


@kernel
def find_roots(heatmaps: NDArray[np.float32], score_threshold: float) -> NDArray[np.int32]:
    """Flat indices, ascending, of the cells that reach the threshold and that no neighbour exceeds."""
    parts, height, width = heatmaps.shape
    threshold = np.float32(score_threshold)
    roots = np.empty(heatmaps.size, np.int32)
    count = 0
    for part in range(parts):
        for y in range(height):
            for x in range(width):
                if heatmaps[part, y, x] >= threshold and is_local_maximum(part, y, x, heatmaps):
                    roots[count] = (part * height + y) * width + x
                    count += 1
    return roots[:count]


@kernel
def is_local_maximum(part: int, y: int, x: int, heatmaps: NDArray[np.float32]) -> bool:
    """Tell whether no cell of the 3x3 window, clipped at the border, exceeds its centre."""
    _, height, width = heatmaps.shape
    score = heatmaps[part, y, x]
    for near_y in range(max(y - 1, 0), min(y + 2, height)):
        for near_x in range(max(x - 1, 0), min(x + 2, width)):
            if heatmaps[part, near_y, near_x] > score:
                return False
    return True


@kernel
def grow_poses(
    roots: NDArray[np.int32],  # best first
    heatmaps: NDArray[np.float32],
    offsets: NDArray[np.float32],
    forward: NDArray[np.float32],
    backward: NDArray[np.float32],
    stride: int,
    max_poses: int,
    squared_radius: float,
    min_pose_score: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Grow a pose from each root that no earlier pose claims, and keep it if it scores enough."""
    _, height, width = heatmaps.shape
    wanted = min(max_poses, len(roots))
    yx = np.zeros((wanted, NUM_PARTS, 2))
    part_scores = np.zeros((wanted, NUM_PARTS))
    scores = np.zeros(wanted)
    found = 0
    for root in roots:
        if found == wanted:
            break
        part, cell = divmod(root, height * width)
        cell_y, cell_x = divmod(cell, width)
        y = cell_y * stride + np.float64(offsets[part, cell_y, cell_x])
        x = cell_x * stride + np.float64(offsets[NUM_PARTS + part, cell_y, cell_x])
        if is_claimed(part, y, x, yx[:found], squared_radius):
            continue
        yx[found] = 0.0
        part_scores[found] = 0.0
        yx[found, part, 0], yx[found, part, 1] = y, x
        part_scores[found, part] = heatmaps[part, cell_y, cell_x]
        grow(yx[found], part_scores[found], heatmaps, offsets, forward, backward, stride)
        scores[found] = pose_score(yx[found], part_scores[found], yx[:found], squared_radius)
        if min_pose_score == 0.0 or scores[found] >= min_pose_score:
            found += 1
    return yx[:found], part_scores[:found], scores[:found]


@kernel
def is_claimed(part: int, y: float, x: float, earlier_yx: NDArray[np.float64], squared_radius: float) -> bool:
    """Tell whether the point is within the NMS radius of the same part of an earlier pose."""
    for earlier in range(len(earlier_yx)):
        dy = earlier_yx[earlier, part, 0] - y
        dx = earlier_yx[earlier, part, 1] - x
        if dy * dy + dx * dx <= squared_radius:
            return True
    return False


@kernel
def grow(
    yx: NDArray[np.float64],  # (17, 2), set at the root; 0 elsewhere, and filled in
    part_scores: NDArray[np.float64],  # (17,), likewise
    heatmaps: NDArray[np.float32],
    offsets: NDArray[np.float32],
    forward: NDArray[np.float32],
    backward: NDArray[np.float32],
    stride: int,
) -> None:
    """Place the other parts: up the tree over the edges 15..0, then down over 0..15."""
    for edge in range(NUM_EDGES - 1, -1, -1):
        source, target = CHILDREN[edge], PARENTS[edge]
        if part_scores[source] > 0.0 and part_scores[target] == 0.0:
            y, x, score = follow(edge, target, yx[source, 0], yx[source, 1], heatmaps, offsets, backward, stride)
            yx[target, 0], yx[target, 1], part_scores[target] = y, x, score
    for edge in range(NUM_EDGES):
        source, target = PARENTS[edge], CHILDREN[edge]
        if part_scores[source] > 0.0 and part_scores[target] == 0.0:
            y, x, score = follow(edge, target, yx[source, 0], yx[source, 1], heatmaps, offsets, forward, stride)
            yx[target, 0], yx[target, 1], part_scores[target] = y, x, score


@kernel
def follow(
    edge: int,
    target: int,
    y: float,
    x: float,
    heatmaps: NDArray[np.float32],
    offsets: NDArray[np.float32],
    displacements: NDArray[np.float32],
    stride: int,
) -> tuple[float, float, float]:
    """Go one step along an edge from a part at (y, x): y, x and score of the target part."""
    _, height, width = heatmaps.shape
    cell_y, cell_x = nearest_cell(y / stride, height), nearest_cell(x / stride, width)
    y += np.float64(displacements[edge, cell_y, cell_x])
    x += np.float64(displacements[NUM_EDGES + edge, cell_y, cell_x])
    cell_y, cell_x = nearest_cell(y / stride, height), nearest_cell(x / stride, width)
    return (
        cell_y * stride + np.float64(offsets[target, cell_y, cell_x]),
        cell_x * stride + np.float64(offsets[NUM_PARTS + target, cell_y, cell_x]),
        np.float64(heatmaps[target, cell_y, cell_x]),
    )


@kernel
def nearest_cell(position: float, cells: int) -> int:
    """Round, halves to even, and clamp to the grid; NaN gives the first cell."""
    nearest = np.rint(position)
    return int(min(max(0.0, nearest), cells - 1.0))  # in this order NaN becomes 0


@kernel
def pose_score(
    yx: NDArray[np.float64], part_scores: NDArray[np.float64], earlier_yx: NDArray[np.float64], squared_radius: float
) -> float:
    """Average the part scores; a part that an earlier pose claims counts as 0."""
    total = 0.0
    for part in range(NUM_PARTS):
        if not is_claimed(part, yx[part, 0], yx[part, 1], earlier_yx, squared_radius):
            total += part_scores[part]
    return total / NUM_PARTS
