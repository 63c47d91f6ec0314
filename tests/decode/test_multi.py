"""`decode_multi` against a literal decoder, against made people, and against its own Python."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import literal_decoders as literal
from posecli.decode import decode, multi
from posecli.options import DecodeOptions
from posecli.skeleton import NUM_EDGES, NUM_PARTS, PART_INDEX
from random_fields import (
    Fields,
    assert_same,
    encode,
    interpreted,
    limits,
    people_apart,
    radii,
    random_fields,
    thresholds,
)

few = settings(max_examples=40, deadline=None)  # each is slow: plain Python twice
many = settings(max_examples=300, deadline=None)


def options(threshold: float = 0.5, radius: float = 20.0, max_poses: int = 20) -> DecodeOptions:
    return DecodeOptions("tfjs", score_threshold=threshold, nms_radius=radius, max_poses=max_poses, min_pose_score=0.0)


def blank(height: int = 5, width: int = 5, stride: int = 16) -> Fields:
    depths = (NUM_PARTS, 2 * NUM_PARTS, 2 * NUM_EDGES, 2 * NUM_EDGES)
    return Fields(*(np.zeros((depth, height, width), np.float32) for depth in depths), stride)


@many
@given(random_fields(), thresholds, radii, limits)
def test_agrees_with_the_literal_decoder(fields: Fields, threshold: float, radius: float, max_poses: int) -> None:
    poses = decode(*fields, options(threshold, radius, max_poses))
    assert_same(poses, literal.multi(literal.Grid(*fields), threshold, radius, max_poses))


@few
@given(random_fields(), thresholds, radii, limits)
def test_its_python_agrees_too(fields: Fields, threshold: float, radius: float, max_poses: int) -> None:
    with interpreted(multi):
        poses = decode(*fields, options(threshold, radius, max_poses))
    assert_same(poses, literal.multi(literal.Grid(*fields), threshold, radius, max_poses))


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("count", [1, 3])
def test_people_drawn_into_fields_come_back(stride: int, count: int, rng: np.random.Generator) -> None:
    people = people_apart(rng, count)
    fields = encode(people, height=256 // stride + 1, width=129 * count // stride + 1, stride=stride)
    # Around the centre of each disk the displacements must be those of the disk: true at any stride below its radius.
    poses = decode(*fields, options(threshold=0.3))
    assert len(poses) == count
    found = poses[np.argsort(poses.xy[:, 0, 0])]
    np.testing.assert_allclose(found.xy, people, atol=1e-3)
    assert (poses.part_scores > 0).all()


def test_equal_scores_come_in_the_order_of_the_originals_heap() -> None:
    # The original's heap is odd: slot 0 has one child, so of five equal candidates the second comes last.
    fields = blank(height=1, width=9)
    fields.heatmaps[0, 0, ::2] = 0.75
    poses = decode(*fields, options(radius=0.0))
    assert (poses.xy[:, 0, 0] / fields.stride).tolist() == [0, 8, 6, 4, 2]


def test_equal_neighbours_are_both_roots_and_a_lower_one_is_none() -> None:
    fields = blank()
    fields.heatmaps[3, 0, :3] = (0.5, 0.5, 0.25)
    poses = decode(*fields, options(threshold=0.25, radius=1.0))
    assert sorted(poses.xy[:, 3, 0].tolist()) == [0, 16]


def test_the_threshold_itself_is_enough_and_is_compared_in_float64() -> None:
    fields = blank()
    fields.heatmaps[0, 2, 2] = 0.7  # as float32 a little less
    assert len(decode(*fields, options(threshold=0.7))) == 0
    assert len(decode(*fields, options(threshold=float(np.float32(0.7))))) == 1


def test_a_root_on_the_radius_is_claimed_and_one_beyond_is_not() -> None:
    fields = blank(height=1, width=3)
    fields.heatmaps[0, 0] = (0.75, 0.0, 0.5)  # 32 px apart
    assert len(decode(*fields, options(radius=32.0))) == 1
    assert len(decode(*fields, options(radius=math.nextafter(32.0, 0)))) == 2


def test_a_claimed_part_adds_nothing_to_the_score_of_a_later_pose() -> None:
    fields = blank(height=1, width=3)
    fields.heatmaps[0, 0] = (0.75, 0.0, 0.5)
    for field in (fields.forward, fields.backward):
        field[NUM_EDGES:, 0, 2] = -32  # from the second root every part leads to the first person
    fields.heatmaps[1:, 0, 0] = 0.25
    fields.offsets[NUM_PARTS + 0, 0, 2] = 0
    first, second = decode(*fields, options())
    assert first.scores[0] == pytest.approx((0.75 + 16 * 0.25) / 17)
    assert second.scores[0] == pytest.approx(0.5 / 17)
    np.testing.assert_array_equal(second.part_scores[0, 1:], 0.25)


def test_one_channel_moves_its_part_only_and_in_its_direction() -> None:
    fields = blank()
    ankle = PART_INDEX["left_ankle"]
    fields.heatmaps[0, 2, 2] = 0.75
    fields.offsets[ankle, 2, 2] = 3.0
    fields.offsets[NUM_PARTS + ankle, 2, 2] = -5.0
    (pose,) = decode(*fields, options())
    expected = np.full((NUM_PARTS, 2), 32.0)
    expected[ankle] = (32 - 5, 32 + 3)  # x, y
    np.testing.assert_array_equal(pose.xy[0], expected)


@example(math.nextafter(0.5, 0))
@example(-0.5)
@example(2.5)
@given(st.floats(-1e9, 1e9) | st.integers(-20, 20).map(lambda n: n / 2))
def test_nearest_cell_is_exact(position: float) -> None:
    expected = min(max(literal.half_up(Fraction(position)), 0), 6)
    assert multi.nearest_cell(position, 7) == expected
    assert multi.nearest_cell.py_func(np.float64(position), 7) == expected


@pytest.mark.parametrize("python", [False, True])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 3e38])
def test_fields_that_are_not_finite_do_no_harm(wrong: float, python: bool, rng: np.random.Generator) -> None:
    for share in (0.02, 0.5, 1.0):
        fields = Fields(*(rng.random((c, 4, 5)).astype(np.float32) * 40 for c in (17, 34, 32, 32)), 16)
        for field in fields[:4]:
            field[rng.random(field.shape) < share] = wrong
        if python:
            with interpreted(multi), np.errstate(all="ignore"):
                poses = decode(*fields, options(threshold=0.0))
        else:
            poses = decode(*fields, options(threshold=0.0))
        assert np.isfinite(poses.xy).all()
        assert np.isfinite(poses.part_scores).all()
        assert np.isfinite(poses.scores).all()


def test_a_nan_has_the_first_cell_as_its_nearest() -> None:
    assert multi.nearest_cell(np.nan, 7) == 0
    assert multi.nearest_cell.py_func(np.float64(np.nan), 7) == 0
