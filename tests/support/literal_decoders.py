"""The decoders once more, slow and literal: oracles of the fast ones. They share the body's data with `src`, no code.

A field is a nested list or array read as field[channel][y][x]; a point is (y, x) in network-input px. Rounding is done
in exact arithmetic, so fields must be finite.
"""

from collections.abc import Callable
from fractions import Fraction
from math import floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecli.skeleton import COCO_SIGMAS, TREE_EDGES

Field = NDArray[np.float32]
Point = tuple[float, float]


class Found(NamedTuple):
    """One person."""

    points: list[Point]  # by part
    part_scores: list[float]
    score: float


class Grid:
    """The fields of one image, read one number at a time, each a Python float."""

    def __init__(self, heatmaps: Field, offsets: Field, forward: Field, backward: Field, stride: int) -> None:
        self.heatmaps, self.offsets, self.forward, self.backward = heatmaps, offsets, forward, backward
        self.stride = stride
        self.parts, self.height, self.width = heatmaps.shape

    def score(self, part: int, cell: tuple[int, int]) -> float:
        return float(self.heatmaps[part][cell[0]][cell[1]])

    def position(self, part: int, cell: tuple[int, int]) -> Point:
        y, x = cell
        dy, dx = float(self.offsets[part][y][x]), float(self.offsets[part + self.parts][y][x])
        return y * self.stride + dy, x * self.stride + dx

    def displaced(self, field: Field, edge: int, cell: tuple[int, int], point: Point) -> Point:
        y, x = cell
        return point[0] + float(field[edge][y][x]), point[1] + float(field[edge + len(TREE_EDGES)][y][x])

    def cell(self, point: Point, nearest: Callable[[Fraction], int]) -> tuple[int, int]:
        y, x = (nearest(Fraction(v) / self.stride) for v in point)
        return min(max(y, 0), self.height - 1), min(max(x, 0), self.width - 1)

    def is_peak(self, part: int, y: int, x: int) -> bool:
        window = [
            self.score(part, (v, u))
            for v in (y - 1, y, y + 1)
            for u in (x - 1, x, x + 1)
            if 0 <= v < self.height and 0 <= u < self.width
        ]
        return max(window) == self.score(part, (y, x))


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def half_even(value: Fraction) -> int:
    return round(value)


def near(a: Point, b: Point, radius: float) -> bool:
    dy, dx = b[0] - a[0], b[1] - a[1]
    return dy * dy + dx * dx <= radius * radius


def unclaimed_mean(points: list[Point], part_scores: list[float], earlier: list[Found], radius: float) -> float:
    total = 0.0
    for part, point in enumerate(points):
        if not any(near(pose.points[part], point, radius) for pose in earlier):
            total += part_scores[part]
    return total / len(points)


class OddHeap:
    """The original's priority queue: heap arithmetic for slots counted from 1, used on slots counted from 0."""

    def __init__(self) -> None:
        self.items: list[tuple[float, int, int, int]] = []  # score, part, y, x

    def swap_if_less(self, low: int, high: int) -> bool:
        less = self.items[low][0] < self.items[high][0]
        if less:
            self.items[low], self.items[high] = self.items[high], self.items[low]
        return less

    def push(self, item: tuple[float, int, int, int]) -> None:
        self.items.append(item)
        k = len(self.items) - 1
        while k and self.swap_if_less(k // 2, k):
            k //= 2

    def pop(self) -> tuple[float, int, int, int]:
        top, last = self.items[0], self.items.pop()
        if not self.items:
            return top
        self.items[0] = last
        k = 0
        while True:
            children = [c for c in (2 * k, 2 * k + 1) if c < len(self.items)]
            # max() returns the first of equals: the left child
            if not children:
                return top
            child = max(children, key=lambda c: self.items[c][0])
            if not self.swap_if_less(k, child):
                return top
            k = child


def multi(grid: Grid, threshold: float, radius: float, max_poses: int) -> list[Found]:
    heap = OddHeap()
    for y in range(grid.height):
        for x in range(grid.width):
            for part in range(grid.parts):
                if grid.score(part, (y, x)) >= threshold and grid.is_peak(part, y, x):
                    heap.push((grid.score(part, (y, x)), part, y, x))
    poses: list[Found] = []
    while len(poses) < max_poses and heap.items:
        score, root, y, x = heap.pop()
        position = grid.position(root, (y, x))
        if any(near(pose.points[root], position, radius) for pose in poses):
            continue
        placed = {root: (position, score)}
        for edge, (parent, child) in reversed(list(enumerate(TREE_EDGES))):
            if child in placed and parent not in placed:
                placed[parent] = multi_step(grid, grid.backward, edge, placed[child][0], parent)
        for edge, (parent, child) in enumerate(TREE_EDGES):
            if parent in placed and child not in placed:
                placed[child] = multi_step(grid, grid.forward, edge, placed[parent][0], child)
        points = [placed[part][0] for part in range(grid.parts)]
        part_scores = [placed[part][1] for part in range(grid.parts)]
        poses.append(Found(points, part_scores, unclaimed_mean(points, part_scores, poses, radius)))
    return poses


def multi_step(grid: Grid, field: Field, edge: int, source: Point, target: int) -> tuple[Point, float]:
    point = grid.displaced(field, edge, grid.cell(source, half_up), source)
    point = grid.position(target, grid.cell(point, half_up))
    point = grid.position(target, grid.cell(point, half_up))
    return point, grid.score(target, grid.cell(point, half_up))


def single(grid: Grid) -> Found:
    cells = [(y, x) for y in range(grid.height) for x in range(grid.width)]
    best = [max(cells, key=lambda cell, part=part: grid.score(part, cell)) for part in range(grid.parts)]
    points = [grid.position(part, cell) for part, cell in enumerate(best)]
    part_scores = [grid.score(part, cell) for part, cell in enumerate(best)]
    return Found(points, part_scores, unclaimed_mean(points, part_scores, [], 0.0))


def port2018(grid: Grid, threshold: float, radius: float, max_poses: int, min_pose_score: float) -> list[Found]:
    """The rules of rwightman/posenet-pytorch, with root candidates of equal score in scan order."""
    padded = np.pad(grid.heatmaps, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    pooled = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2)).max(axis=(3, 4))
    parts, ys, xs = np.nonzero((grid.heatmaps == pooled) & (grid.heatmaps >= np.float32(threshold)))
    order = sorted(range(len(parts)), key=lambda i: -grid.score(parts[i], (ys[i], xs[i])))  # sorted() is stable
    poses: list[Found] = []
    for root, y, x in ((int(parts[i]), int(ys[i]), int(xs[i])) for i in order):
        position = grid.position(root, (y, x))
        if any(near(pose.points[root], position, radius) for pose in poses):
            continue
        points, scores = [(0.0, 0.0)] * grid.parts, [0.0] * grid.parts
        points[root], scores[root] = position, grid.score(root, (y, x))
        upward = [(edge, child, parent, grid.backward) for edge, (parent, child) in enumerate(TREE_EDGES)]
        downward = [(edge, parent, child, grid.forward) for edge, (parent, child) in enumerate(TREE_EDGES)]
        for edge, source, target, field in upward[::-1] + downward:
            if scores[source] > 0 and scores[target] == 0:
                point = grid.displaced(field, edge, grid.cell(points[source], half_even), points[source])
                cell = grid.cell(point, half_even)
                points[target], scores[target] = grid.position(target, cell), grid.score(target, cell)
        score = unclaimed_mean(points, scores, poses, radius)
        if min_pose_score == 0 or score >= min_pose_score:
            poses.append(Found(points, scores, score))
        if len(poses) >= max_poses:
            break
    return poses


class CloseCallError(Exception):
    """A yes or no of the accurate decoder hangs on the last digits, which the order of summation decides."""


def exceeds(a: float, b: float) -> bool:
    if abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b)):
        raise CloseCallError
    return a > b


def accurate(grid: Grid, threshold: float, radius: float, max_poses: int) -> list[Found]:
    """The accurate decoder, with whole arrays where that one has loops, so that sums differ in their last digits."""
    cells = [(p, y, x) for p in range(grid.parts) for y in range(grid.height) for x in range(grid.width)]
    roots = [(p, y, x) for p, y, x in cells if grid.score(p, (y, x)) >= threshold and grid.is_peak(p, y, x)]
    roots.sort(key=lambda root: -grid.score(root[0], root[1:]))  # stable
    poses: list[Found] = []
    for root, y, x in roots:
        start = grid.position(root, (y, x))
        point = settled(grid, root, start)
        claimed = [pose.points[root] for pose in poses]
        if len(poses) == max_poses or any(surely_near(c, p, radius) for c in claimed for p in (start, point)):
            continue
        placed = {root: (point, between(grid, grid.heatmaps, root, point))}
        steps = [(edge, child, parent, grid.backward) for edge, (parent, child) in enumerate(TREE_EDGES)][::-1]
        steps += [(edge, parent, child, grid.forward) for edge, (parent, child) in enumerate(TREE_EDGES)]
        for edge, source, target, field in steps:
            if source in placed and target not in placed:
                placed[target] = accurate_step(grid, field, edge, placed[source][0], target)
        for edge, source, target, field in steps:
            # Of two equals neither can lead the other up.
            if placed[source][1] > placed[target][1]:
                proposed = accurate_step(grid, field, edge, placed[source][0], target)
                if exceeds(proposed[1] - placed[target][1], 0.2):
                    placed[target] = proposed
        points = [placed[part][0] for part in range(grid.parts)]
        part_scores = [placed[part][1] for part in range(grid.parts)]
        own = [not any(surely_near(pose.points[p], points[p], radius) for pose in poses) for p in range(grid.parts)]
        share = sum(score for score, is_own in zip(part_scores, own, strict=True) if is_own) / grid.parts
        score = (share * expected_oks(points, part_scores, grid.stride)) ** 0.5
        poses.append(Found(points, part_scores, score))
    ranked = sorted(poses, key=lambda pose: -pose.score)
    for i in range(len(ranked) - 1):
        exceeds(ranked[i].score, ranked[i + 1].score)
    return ranked


def surely_near(a: Point, b: Point, radius: float) -> bool:
    return not exceeds((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2, radius**2)


def accurate_step(grid: Grid, field: Field, edge: int, source: Point, target: int) -> tuple[Point, float]:
    point = source
    for vectors, channel, pairs in ((field, edge, len(TREE_EDGES)), *[(grid.offsets, target, grid.parts)] * 2):
        moves = [between(grid, vectors, channel + axis * pairs, point) for axis in (0, 1)]
        point = point[0] + moves[0], point[1] + moves[1]
    point = settled(grid, target, point)
    return point, between(grid, grid.heatmaps, target, point)


def between(grid: Grid, field: Field, channel: int, point: Point) -> float:
    """Bilinear reading, as a sum of hats over all cells."""
    y = min(max(point[0] / grid.stride, 0), grid.height - 1)
    x = min(max(point[1] / grid.stride, 0), grid.width - 1)
    hats_y = np.maximum(0, 1 - np.abs(np.arange(grid.height) - y))
    hats_x = np.maximum(0, 1 - np.abs(np.arange(grid.width) - x))
    return float(hats_y @ field[channel].astype(np.float64) @ hats_x)


def settled(grid: Grid, part: int, point: Point) -> Point:
    cells = np.indices((grid.height, grid.width)) * float(grid.stride)  # (2, h, w) px
    votes = cells + grid.offsets[[part, part + grid.parts]]
    border = cells[:, -1, -1].reshape(2, 1, 1)
    for _ in range(5):
        at = np.reshape(point, (2, 1, 1))
        squared = ((votes - at) ** 2).sum(axis=0)
        weights = grid.heatmaps[part] * np.exp(-squared / 128) * (squared <= 32**2)
        if (np.abs(squared - 32**2) <= 1e-6).any():
            raise CloseCallError
        # A point that no cell is near to, along an axis, is taken for the nearest one that has a cell on its rim.
        middle = np.clip(at, -32, border + 32)
        on_rim = np.abs(np.abs(cells - middle) - 32) <= 1e-6
        is_sure = (middle <= -32 + 1e-6) | (middle >= border + 32 - 1e-6)
        is_far = (np.abs(cells - middle) > 32 + 1e-6).any(axis=0)
        weights[is_far] = 0
        total = float(weights.sum())
        if weights[(on_rim & ~is_sure).any(axis=0)].sum() > 1e-12 * total:
            raise CloseCallError
        if not exceeds(total * 1e6, 1):
            break
        before = point
        point = (float((weights * votes[0]).sum()) / total, float((weights * votes[1]).sum()) / total)
        if exceeds(0.25**2, (point[0] - before[0]) ** 2 + (point[1] - before[1]) ** 2):
            break
    return point


def expected_oks(points: list[Point], part_scores: list[float], stride: int) -> float:
    """Mean over the parts, weighted by how likely each is annotated, of the OKS that it can expect."""
    seen = np.array([p for p, score in zip(points, part_scores, strict=True) if exceeds(score, 0.2)] or [(0.0, 0.0)])
    area = float(np.prod(np.maximum(seen.max(axis=0) - seen.min(axis=0), stride)))
    expected = [
        score / (1 + 49 / (area * (2 * sigma) ** 2)) for score, sigma in zip(part_scores, COCO_SIGMAS, strict=True)
    ]
    return float(np.average(expected, weights=part_scores)) if sum(part_scores) else 0.0
