"""Made fields for the decoders' tests, and their kernels as plain Python."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

from posecli.poses import Poses
from posecli.skeleton import NUM_EDGES, NUM_PARTS, TREE_EDGES

DISK_RADIUS = 32.0  # network-input px; that of the training targets


class Fields(NamedTuple):
    """The fields of one image and their stride: what `decode` takes, in order."""

    heatmaps: NDArray[np.float32]
    offsets: NDArray[np.float32]
    forward: NDArray[np.float32]
    backward: NDArray[np.float32]
    stride: int


@st.composite
def random_fields(draw: st.DrawFn, is_coarse: bool = True) -> Fields:
    """Small random fields, quantised on purpose: equal scores, halves to round, points far outside.

    With `is_coarse` false, vectors seldom lead to where another one leads. Hypothesis chooses what kind they are; the
    many numbers come from a generator with a seed that it chooses too.
    """
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 7))
    stride = draw(st.sampled_from([8, 16, 32]))
    levels = draw(st.sampled_from([1, 2, 4, 10, 1000]))  # of the scores, beside 0
    power = draw(st.sampled_from([1, 4]))  # 4: few high scores
    near = draw(st.sampled_from([0, 1, 3] if is_coarse else [1, 3]))  # reach, in cells
    far = draw(st.sampled_from([0, 1, 3, 1000]))
    step = draw(st.sampled_from([stride / 2, stride / 4, 0.3] if is_coarse else [0.3, 0.01]))  # px
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def vectors(channels: int, reach: float) -> NDArray[np.float32]:
        pixels = rng.uniform(-reach, reach, (channels, height, width)) * stride
        return (np.round(pixels / step) * step).astype(np.float32)

    scores = np.round(rng.random((NUM_PARTS, height, width)) ** power * levels) / levels
    return Fields(
        scores.astype(np.float32),
        vectors(2 * NUM_PARTS, near),
        vectors(2 * NUM_EDGES, far),
        vectors(2 * NUM_EDGES, far),
        stride,
    )


thresholds = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 1.0])  # 0.1, 0.3 and 0.7 are no float32
radii = st.sampled_from([0.0, 4.0, 8.0, 20.0, 1e6])
limits = st.sampled_from([1, 2, 5, 20, 10_000])


@contextmanager
def interpreted(module: ModuleType) -> Iterator[None]:
    """Let the module's kernels run as the Python they are written in: coverage sees every line."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in vars(module).copy().items():
            if hasattr(value, "py_func"):
                patch.setattr(module, name, value.py_func)
        yield


def encode(people: NDArray[np.float64], height: int, width: int, stride: int, radius: float = DISK_RADIUS) -> Fields:
    """Draw people, (N, 17, 2) as (x, y), into fields as the training targets have them.

    Around each part a disk of `radius` px in which the offsets point at it and the displacements at the person's next
    part. The score falls from 1 to 0 over the disk. Where the disks of two people overlap the nearer one counts.
    """
    heatmaps = np.zeros((NUM_PARTS, height, width), np.float32)
    offsets = np.zeros((2 * NUM_PARTS, height, width), np.float32)
    forward = np.zeros((2 * NUM_EDGES, height, width), np.float32)
    backward = np.zeros((2 * NUM_EDGES, height, width), np.float32)
    for y in range(height):
        for x in range(width):
            for part in range(NUM_PARTS):
                to_part = people[:, part] - (x * stride, y * stride)
                person = int(np.argmin(np.hypot(*to_part.T)))
                distance = np.hypot(*to_part[person])
                if distance >= radius:
                    continue
                heatmaps[part, y, x] = 1 - distance / radius
                offsets[part::NUM_PARTS, y, x] = to_part[person, ::-1]
                for edge, (parent, child) in enumerate(TREE_EDGES):
                    if part == parent:
                        forward[edge::NUM_EDGES, y, x] = (people[person, child] - (x * stride, y * stride))[::-1]
                    if part == child:
                        backward[edge::NUM_EDGES, y, x] = (people[person, parent] - (x * stride, y * stride))[::-1]
    return Fields(heatmaps, offsets, forward, backward, stride)


def people_apart(rng: np.random.Generator, count: int, spacing: float = 129.0) -> NDArray[np.float64]:
    """Draw people (count, 17, 2) for an input of `spacing` px a person by 257 px: no disks of one part overlap."""
    left = 30 + spacing * np.arange(count)[:, None]
    xs = left + rng.uniform(0, 60, (count, NUM_PARTS))
    return np.stack([xs, rng.uniform(20, 236, (count, NUM_PARTS))], axis=-1)


def assert_same(poses: Poses, expected: Sequence[tuple[list[tuple[float, float]], list[float], float]]) -> None:
    """Hold poses against the oracle's, to the last bit of float32; the oracle's points are (y, x)."""
    assert len(poses) == len(expected)
    for pose, (points, part_scores, score) in zip(poses, expected, strict=True):
        np.testing.assert_array_equal(pose.xy[0], np.array(points, np.float32)[:, ::-1])
        np.testing.assert_array_equal(pose.part_scores[0], np.array(part_scores, np.float32))
        np.testing.assert_array_equal(pose.scores[0], np.float32(score))


def assert_close(poses: Poses, expected: Sequence[tuple[list[tuple[float, float]], list[float], float]]) -> None:
    """Hold poses against the oracle's where sums are made in another order: to about the last bit of float32."""
    assert len(poses) == len(expected)
    for pose, (points, part_scores, score) in zip(poses, expected, strict=True):
        np.testing.assert_allclose(pose.xy[0], np.array(points)[:, ::-1], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(pose.part_scores[0], part_scores, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(pose.scores[0], score, rtol=1e-6, atol=1e-6)
