"""Many people in one image, found and placed more exactly than the original does, from the same fields.

The original reads each field at the nearest cell and believes the one cell it ends at. Here fields are read between the
cells, bilinearly, and cells vote, as in the Hough score maps of PersonLab (arXiv 1803.08225): each says where a part is
(`cell * stride + offset`) and how sure it is (its heatmap).

A point settles where the votes around it agree: up to five times, until it moves by less than SETTLED, it moves to the
mean of the votes of the cells within VOTING_RADIUS (in y and in x; beyond the grid, of the cells at its border), each
weighted by its heatmap and by a Gaussian of VOTE_SIGMA of its vote's distance, votes beyond VOTING_RADIUS by 0; it
stays where these weights come to nothing. That is mean shift, and ends at a peak of the Hough score map without
computing the map.

1. Roots: every (part, cell) whose score reaches the threshold and that no neighbour in its 3x3 window exceeds, by
   decreasing score, equal ones in scan order (part, y, x). Each starts where its cell says, and settles.
2. Drop a root within the NMS radius of the same part of an accepted pose, where it starts or where it has settled.
3. Grow a pose from it along the tree, in the original's order: edges 15..0 from child to parent, then 0..15 from parent
   to child. A step adds the displacement at the source, follows the offsets twice, and settles; its score is the
   heatmap where it has settled.
4. A second look, in the same order: each part is proposed again by every neighbour in the tree that scores higher, and
   moves where that gains SECOND_LOOK_GAIN in score.
5. Score the pose: the geometric mean of the OKS that it can expect and of its mean part score. A part with score p is
   taken to be annotated, and found, with probability p each; found, it is off by about LOCALISATION_ERROR, which costs
   more the smaller the person and the more exactly the part can be told. In the mean, a part within the NMS radius of
   the same part of an earlier pose counts as 0.
6. Back to 2, until there are as many poses as wanted or no roots. Poses come out by decreasing score.

Points are (y, x) in network-input px. Fields that are not finite lead to poses that are not, never to an error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecli.decode.jit import kernel
from posecli.skeleton import COCO_SIGMAS, NUM_EDGES, NUM_PARTS, TREE_EDGES

VOTING_RADIUS = 32.0  # px: of the disks that the networks were trained on
VOTE_SIGMA = 8.0  # px: half a cell of stride 16
SETTLE_STEPS = 5
SETTLED = 0.25  # px: a shorter step is the last
ROOT, NOT_PLACED = -1, -2  # in place of the step of `grow` that placed a part
OFFSET_STEPS = 2  # as the original's refinement
SECOND_LOOK_GAIN = 0.2  # in score
LOCALISATION_ERROR = 7.0  # px, standard deviation in y and in x
SEEN = 0.2  # score from which a part counts for the size of its person
PARENTS = np.array([parent for parent, _ in TREE_EDGES])  # (16,), by edge
CHILDREN = np.array([child for _, child in TREE_EDGES])
FALLOFFS = 2 * np.array(COCO_SIGMAS)  # (17,): OKS of a part that is off by d is exp(-d^2 / (2 * area * falloff^2))


@kernel
def decode_hough(
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
    roots = find_roots(heatmaps, score_threshold)
    wanted = min(max_poses, len(roots))
    yx = np.empty((wanted, NUM_PARTS, 2))
    part_scores = np.empty((wanted, NUM_PARTS))
    scores = np.empty(wanted)
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
        y, x = settle(part, y, x, heatmaps, offsets, stride)
        if is_claimed(part, y, x, yx[:found], squared_radius):
            continue
        yx[found, part, 0], yx[found, part, 1] = y, x
        part_scores[found, part] = sample(heatmaps, part, y / stride, x / stride)
        placed_at = grow(part, yx[found], part_scores[found], heatmaps, offsets, forward, backward, stride)
        look_again(yx[found], part_scores[found], placed_at, heatmaps, offsets, forward, backward, stride)
        scores[found] = pose_score(yx[found], part_scores[found], yx[:found], squared_radius, stride)
        found += 1
    order = np.argsort(-scores[:found], kind="mergesort")
    return yx[order], part_scores[order], scores[order]


@kernel
def find_roots(heatmaps: NDArray[np.float32], score_threshold: float) -> NDArray[np.int64]:
    """Indices into the flat heatmaps of all root candidates, by decreasing score."""
    parts, height, width = heatmaps.shape
    found = np.empty(heatmaps.size, np.int64)  # room for the worst case; memory that is never touched costs nothing
    keys = np.empty(heatmaps.size)
    count = 0
    for part in range(parts):
        for y in range(height):
            for x in range(width):
                score = np.float64(heatmaps[part, y, x])
                if score >= score_threshold and is_local_maximum(part, y, x, heatmaps):
                    found[count], keys[count] = (part * height + y) * width + x, -score
                    count += 1
    return found[:count][np.argsort(keys[:count], kind="mergesort")]


@kernel
def is_local_maximum(part: int, y: int, x: int, heatmaps: NDArray[np.float32]) -> bool:
    """Tell whether no neighbour of the cell exceeds it."""
    _, height, width = heatmaps.shape
    score = heatmaps[part, y, x]
    for near_y in range(max(y - 1, 0), min(y + 2, height)):
        for near_x in range(max(x - 1, 0), min(x + 2, width)):
            if heatmaps[part, near_y, near_x] > score:
                return False
    return True


@kernel
def sample(field: NDArray[np.float32], channel: int, y: float, x: float) -> float:
    """Read a channel at a fractional cell, bilinearly; outside the grid, at its border."""
    _, height, width = field.shape
    y = min(max(0.0, y), height - 1.0)  # in this order NaN becomes 0
    x = min(max(0.0, x), width - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = y - top, x - left
    above = field[channel, top, left] * (1 - across) + field[channel, top, right] * across
    below = field[channel, bottom, left] * (1 - across) + field[channel, bottom, right] * across
    return float(above * (1 - down) + below * down)


@kernel
def settle(
    part: int, y: float, x: float, heatmaps: NDArray[np.float32], offsets: NDArray[np.float32], stride: int
) -> tuple[float, float]:
    """Move a point of a part to where the votes around it agree; it stays where there are none."""
    for _ in range(SETTLE_STEPS):
        total, sum_y, sum_x = 0.0, 0.0, 0.0
        first_y, last_y = voters(y, stride, heatmaps.shape[1])
        first_x, last_x = voters(x, stride, heatmaps.shape[2])
        for cell_y in range(first_y, last_y + 1):
            for cell_x in range(first_x, last_x + 1):
                vote_y = cell_y * stride + np.float64(offsets[part, cell_y, cell_x])
                vote_x = cell_x * stride + np.float64(offsets[NUM_PARTS + part, cell_y, cell_x])
                squared = (vote_y - y) ** 2 + (vote_x - x) ** 2
                if squared <= VOTING_RADIUS**2:
                    weight = heatmaps[part, cell_y, cell_x] * np.exp(-squared / (2 * VOTE_SIGMA**2))
                    total, sum_y, sum_x = total + weight, sum_y + weight * vote_y, sum_x + weight * vote_x
        if not total > 1e-6:
            break
        step_y, step_x = sum_y / total - y, sum_x / total - x
        y, x = y + step_y, x + step_x
        if step_y * step_y + step_x * step_x < SETTLED * SETTLED:
            break
    return y, x


@kernel
def voters(position: float, stride: int, cells: int) -> tuple[int, int]:
    """First and last cell, along one axis, within VOTING_RADIUS of a position; beyond the grid, its border cell."""
    first = min(max(0.0, np.ceil((position - VOTING_RADIUS) / stride)), cells - 1.0)  # in this order NaN becomes 0
    last = min(max(0.0, np.floor((position + VOTING_RADIUS) / stride)), cells - 1.0)
    return int(first), int(last)


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
    dy = sample(displacements, edge, y / stride, x / stride)
    dx = sample(displacements, NUM_EDGES + edge, y / stride, x / stride)
    y, x = y + dy, x + dx
    for _ in range(OFFSET_STEPS):
        dy = sample(offsets, target, y / stride, x / stride)
        dx = sample(offsets, NUM_PARTS + target, y / stride, x / stride)
        y, x = y + dy, x + dx
    y, x = settle(target, y, x, heatmaps, offsets, stride)
    return y, x, sample(heatmaps, target, y / stride, x / stride)


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
) -> NDArray[np.int64]:
    """Place the 16 other parts of the pose; returns the step that placed each part, (17,), ROOT for the root."""
    placed_at = np.full(NUM_PARTS, NOT_PLACED)
    placed_at[root] = ROOT
    for step in range(2 * NUM_EDGES):
        upwards = step < NUM_EDGES
        edge = NUM_EDGES - 1 - step if upwards else step - NUM_EDGES
        source, target = (CHILDREN[edge], PARENTS[edge]) if upwards else (PARENTS[edge], CHILDREN[edge])
        if placed_at[source] != NOT_PLACED and placed_at[target] == NOT_PLACED:
            displacements = backward if upwards else forward
            y, x, score = follow(edge, target, yx[source, 0], yx[source, 1], heatmaps, offsets, displacements, stride)
            yx[target, 0], yx[target, 1], part_scores[target], placed_at[target] = y, x, score, step
    return placed_at


@kernel
def look_again(
    yx: NDArray[np.float64],  # (17, 2)
    part_scores: NDArray[np.float64],  # (17,)
    placed_at: NDArray[np.int64],  # (17,) of `grow`
    heatmaps: NDArray[np.float32],
    offsets: NDArray[np.float32],
    forward: NDArray[np.float32],
    backward: NDArray[np.float32],
    stride: int,
) -> None:
    """Move parts to where a neighbour in the tree that scores higher sees them, if they score much higher there."""
    moved = np.zeros(NUM_PARTS, np.bool_)
    for step in range(2 * NUM_EDGES):
        upwards = step < NUM_EDGES
        edge = NUM_EDGES - 1 - step if upwards else step - NUM_EDGES
        source, target = (CHILDREN[edge], PARENTS[edge]) if upwards else (PARENTS[edge], CHILDREN[edge])
        worth_it = part_scores[target] + SECOND_LOOK_GAIN < 1  # no score exceeds 1
        known = placed_at[target] == step and not moved[source]  # it would be seen where it is
        if worth_it and not known and part_scores[source] > part_scores[target]:
            displacements = backward if upwards else forward
            y, x, score = follow(edge, target, yx[source, 0], yx[source, 1], heatmaps, offsets, displacements, stride)
            if score > part_scores[target] + SECOND_LOOK_GAIN:
                yx[target, 0], yx[target, 1], part_scores[target], moved[target] = y, x, score, True


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
def pose_score(
    yx: NDArray[np.float64],
    part_scores: NDArray[np.float64],
    earlier_yx: NDArray[np.float64],
    squared_radius: float,
    stride: int,
) -> float:
    """Geometric mean of the OKS that a pose can expect and of its part scores, where claimed parts count as 0."""
    area = person_area(yx, part_scores, stride)
    own, weights, oks = 0.0, 0.0, 0.0
    for part in range(NUM_PARTS):
        score = part_scores[part]
        if not is_claimed(part, yx[part, 0], yx[part, 1], earlier_yx, squared_radius):
            own += score
        exactness = 1 / (1 + LOCALISATION_ERROR**2 / (area * FALLOFFS[part] ** 2))  # OKS of a part that is found
        weights += score
        oks += score * score * exactness
    return np.sqrt(own / NUM_PARTS * oks / weights) if weights > 0 else 0.0


@kernel
def person_area(yx: NDArray[np.float64], part_scores: NDArray[np.float64], stride: int) -> float:
    """Area in px^2 of the box around the parts that are seen, each side at least one cell."""
    top, left, bottom, right = np.inf, np.inf, -np.inf, -np.inf
    for part in range(NUM_PARTS):
        if part_scores[part] >= SEEN:
            top, bottom = min(top, yx[part, 0]), max(bottom, yx[part, 0])
            left, right = min(left, yx[part, 1]), max(right, yx[part, 1])
    return max(bottom - top, float(stride)) * max(right - left, float(stride))
