"""Many people in one image: the decoder of TF.js PoseNet 2.2.2, step by step.

1. Root candidates: every (part, cell) whose score reaches the threshold and that no neighbour in its 3x3 window
   (clipped at the border) exceeds; equal neighbours do not disqualify. They enter a binary heap in scan order: y, x,
   part.
2. Take the candidate with the highest score; among equals, the one that the original's heap yields. It lies at
   cell * stride + offset. Drop it if the same part of an accepted pose is within the NMS radius.
3. Grow a pose from it. First along the edges 15..0 from child to parent with the backward displacements, then along
   0..15 from parent to child with the forward ones; each step goes from a placed part to an unplaced one. A step reads
   the displacement at the cell nearest to the source and adds it; twice replaces the result by cell * stride + offset
   of the cell nearest to it; and takes the score of the cell nearest to where that ends.
4. Score the pose: the scores of the parts that are not within the NMS radius of the same part of an earlier pose,
   summed in part order, / 17.
5. Back to 2, until there are as many poses as wanted or no candidates. Poses come out in the order of their roots.

Fields are float32, arithmetic is float64, as JavaScript's is: each value is widened as soon as it is read. Points are
(y, x) in network-input px.

Deviations from the original, for fields that are not finite only: NaN is never a root (there it is one), and a point
that is NaN has the first cell as its nearest (there it has none).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecli.decode.jit import kernel
from posecli.skeleton import NUM_EDGES, NUM_PARTS, TREE_EDGES

LOCAL_MAXIMUM_RADIUS = 1  # cells
REFINE_STEPS = 2
PARENTS = np.array([parent for parent, _ in TREE_EDGES])  # (16,), by edge
CHILDREN = np.array([child for _, child in TREE_EDGES])


@kernel
def decode_multi(
    heatmaps: NDArray[np.float32],  # (17, h, w)
    offsets: NDArray[np.float32],  # (34, h, w)
    forward: NDArray[np.float32],  # (32, h, w)
    backward: NDArray[np.float32],  # (32, h, w)
    stride: int,
    max_poses: int,
    score_threshold: float,
    nms_radius: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Find people: parts (N, 17, 2) as (y, x), part scores (N, 17) and pose scores (N,)."""
    _, height, width = heatmaps.shape
    squared_radius = nms_radius * nms_radius
    flat_scores = heatmaps.reshape(heatmaps.size)
    queue, waiting = queue_roots(heatmaps, flat_scores, score_threshold)
    wanted = min(max_poses, waiting)
    yx = np.empty((wanted, NUM_PARTS, 2))
    part_scores = np.empty((wanted, NUM_PARTS))
    scores = np.empty(wanted)
    found = 0
    while found < wanted and waiting > 0:
        root = dequeue(queue, waiting, flat_scores)
        waiting -= 1
        part, cell = divmod(root, height * width)
        cell_y, cell_x = divmod(cell, width)
        y, x = part_position(part, cell_y, cell_x, offsets, stride)
        if is_claimed(part, y, x, yx[:found], squared_radius):
            continue
        yx[found, part, 0], yx[found, part, 1] = y, x
        part_scores[found, part] = heatmaps[part, cell_y, cell_x]
        grow(part, yx[found], part_scores[found], heatmaps, offsets, forward, backward, stride)
        scores[found] = pose_score(yx[found], part_scores[found], yx[:found], squared_radius)
        found += 1
    return yx[:found], part_scores[:found], scores[:found]


@kernel
def queue_roots(
    heatmaps: NDArray[np.float32], flat_scores: NDArray[np.float32], score_threshold: float
) -> tuple[NDArray[np.int32], int]:
    """Build the heap of root candidates: indices into the flat scores, and how many of them are set."""
    parts, height, width = heatmaps.shape
    queue = np.empty(heatmaps.size, np.int32)  # room for the worst case; memory that is never touched costs nothing
    waiting = 0
    hot = np.zeros((height, width), np.bool_)  # cells where any part reaches the threshold: found in memory order, fast
    for part in range(parts):
        for y in range(height):
            for x in range(width):
                hot[y, x] |= np.float64(heatmaps[part, y, x]) >= score_threshold
    for y in range(height):
        for x in range(width):
            if not hot[y, x]:
                continue
            for part in range(parts):
                score = np.float64(heatmaps[part, y, x])
                if score >= score_threshold and is_local_maximum(part, y, x, heatmaps):
                    queue[waiting] = (part * height + y) * width + x
                    swim(queue, waiting, flat_scores)
                    waiting += 1
    return queue, waiting


@kernel
def is_local_maximum(part: int, y: int, x: int, heatmaps: NDArray[np.float32]) -> bool:
    """Tell whether no neighbour of the cell exceeds it."""
    _, height, width = heatmaps.shape
    score = heatmaps[part, y, x]
    for near_y in range(max(y - LOCAL_MAXIMUM_RADIUS, 0), min(y + LOCAL_MAXIMUM_RADIUS + 1, height)):
        for near_x in range(max(x - LOCAL_MAXIMUM_RADIUS, 0), min(x + LOCAL_MAXIMUM_RADIUS + 1, width)):
            if heatmaps[part, near_y, near_x] > score:
                return False
    return True


# The heap as the original lays it out: the parent of slot k is k // 2, so slot 0 has the one child 1, and k > 0 has 2k
# and 2k + 1. An element moves past strictly smaller ones only. Both decide which of two equal scores comes first.


@kernel
def swim(queue: NDArray[np.int32], slot: int, score: NDArray[np.float32]) -> None:
    """Move the element in the last slot up to its place."""
    while slot > 0 and score[queue[slot // 2]] < score[queue[slot]]:
        queue[slot // 2], queue[slot] = queue[slot], queue[slot // 2]
        slot //= 2


@kernel
def dequeue(queue: NDArray[np.int32], waiting: int, score: NDArray[np.float32]) -> int:
    """Take the first element out of a heap of `waiting`: the last one replaces it and sinks to its place."""
    first = queue[0]
    last_slot = waiting - 2  # of what remains
    queue[0] = queue[waiting - 1]
    slot = 0
    while 2 * slot <= last_slot:
        child = 2 * slot
        if child < last_slot and score[queue[child]] < score[queue[child + 1]]:
            child += 1
        if not score[queue[slot]] < score[queue[child]]:
            break
        queue[slot], queue[child] = queue[child], queue[slot]
        slot = child
    return int(first)


@kernel
def part_position(
    part: int, cell_y: int, cell_x: int, offsets: NDArray[np.float32], stride: int
) -> tuple[float, float]:
    """Where the cell says that the part is."""
    return (
        cell_y * stride + np.float64(offsets[part, cell_y, cell_x]),
        cell_x * stride + np.float64(offsets[NUM_PARTS + part, cell_y, cell_x]),
    )


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
    root: int,
    yx: NDArray[np.float64],  # (17, 2), set at the root; the rest is filled in
    part_scores: NDArray[np.float64],  # (17,), likewise
    heatmaps: NDArray[np.float32],
    offsets: NDArray[np.float32],
    forward: NDArray[np.float32],
    backward: NDArray[np.float32],
    stride: int,
) -> None:
    """Place the 16 other parts of the pose."""
    placed = np.zeros(NUM_PARTS, np.bool_)
    placed[root] = True
    for edge in range(NUM_EDGES - 1, -1, -1):
        source, target = CHILDREN[edge], PARENTS[edge]
        if placed[source] and not placed[target]:
            y, x, score = follow(edge, target, yx[source, 0], yx[source, 1], heatmaps, offsets, backward, stride)
            yx[target, 0], yx[target, 1], part_scores[target], placed[target] = y, x, score, True
    for edge in range(NUM_EDGES):
        source, target = PARENTS[edge], CHILDREN[edge]
        if placed[source] and not placed[target]:
            y, x, score = follow(edge, target, yx[source, 0], yx[source, 1], heatmaps, offsets, forward, stride)
            yx[target, 0], yx[target, 1], part_scores[target], placed[target] = y, x, score, True


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
    for _ in range(REFINE_STEPS):
        cell_y, cell_x = nearest_cell(y / stride, height), nearest_cell(x / stride, width)
        y, x = part_position(target, cell_y, cell_x, offsets, stride)
    cell_y, cell_x = nearest_cell(y / stride, height), nearest_cell(x / stride, width)
    return y, x, np.float64(heatmaps[target, cell_y, cell_x])


@kernel
def nearest_cell(position: float, cells: int) -> int:
    """Round as Math.round does, halves up, and clamp to the grid.

    Not floor(position + 0.5): that sum rounds the largest double below 0.5 up to 1.
    """
    nearest = np.ceil(position)
    if nearest - 0.5 > position:
        nearest -= 1.0
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
