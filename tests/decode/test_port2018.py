"""`decode_port2018` against a literal copy of the port's rules."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import literal_decoders as literal
from posecli.decode import decode, port2018
from posecli.options import DecodeOptions
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

min_scores = st.sampled_from([0.0, 0.1, 0.25, 0.5])


def options(threshold: float = 0.5, radius: float = 20.0, max_poses: int = 10, min_score: float = 0.0) -> DecodeOptions:
    return DecodeOptions(
        decoder="port2018",
        score_threshold=threshold,
        nms_radius=radius,
        max_poses=max_poses,
        min_pose_score=min_score,
    )


@settings(max_examples=300, deadline=None)
@given(random_fields(), thresholds, radii, limits, min_scores)
def test_agrees_with_the_literal_decoder(
    fields: Fields, threshold: float, radius: float, max_poses: int, min_score: float
) -> None:
    poses = decode(*fields, options(threshold, radius, max_poses, min_score))
    assert_same(poses, literal.port2018(literal.Grid(*fields), threshold, radius, max_poses, min_score))


@settings(max_examples=40, deadline=None)
@given(random_fields(), thresholds, radii, limits, min_scores)
def test_its_python_agrees_too(
    fields: Fields, threshold: float, radius: float, max_poses: int, min_score: float
) -> None:
    with interpreted(port2018):
        poses = decode(*fields, options(threshold, radius, max_poses, min_score))
    assert_same(poses, literal.port2018(literal.Grid(*fields), threshold, radius, max_poses, min_score))


def test_people_drawn_into_fields_come_back(rng: np.random.Generator) -> None:
    people = people_apart(rng, 2)
    poses = decode(*encode(people, height=33, width=33, stride=8), options())
    np.testing.assert_allclose(poses[np.argsort(poses.xy[:, 0, 0])].xy, people, atol=1e-3)


@example(0.5)
@example(1.5)
@given(st.floats(-1e9, 1e9) | st.integers(-20, 20).map(lambda n: n / 2))
def test_nearest_cell_takes_halves_to_the_even_cell(position: float) -> None:
    expected = min(max(literal.half_even(Fraction(position)), 0), 6)
    assert port2018.nearest_cell(position, 7) == expected
    assert port2018.nearest_cell.py_func(np.float64(position), 7) == expected


def crowded() -> Fields:
    """Two noses of equal score, 16 px apart: the first in scan order has no other parts, the second has all."""
    fields = Fields(*(np.zeros((depth, 1, 2), np.float32) for depth in (17, 34, 32, 32)), 32)
    fields.heatmaps[0, 0] = 0.9
    fields.heatmaps[1:, 0, 1] = 0.4  # below the threshold: no roots
    fields.offsets[17, 0] = 8, -8
    return fields


def test_a_pose_under_the_minimum_suppresses_nobody_and_takes_no_place() -> None:
    first, second = 0.9 / 17, (0.9 + 16 * 0.4) / 17
    assert decode(*crowded(), options(min_score=0.0)).scores.tolist() == pytest.approx([first])
    assert decode(*crowded(), options(min_score=0.25)).scores.tolist() == pytest.approx([second])
    assert decode(*crowded(), options(min_score=0.25, max_poses=1)).scores.tolist() == pytest.approx([second])
    assert len(decode(*crowded(), options(min_score=0.99))) == 0


def test_the_threshold_is_compared_in_float32() -> None:
    fields = crowded()
    fields.heatmaps[:] = 0
    fields.heatmaps[0, 0, 0] = 0.7
    assert len(decode(*fields, options(threshold=0.7))) == 1
    assert len(decode(*fields, options(threshold=float(np.nextafter(np.float32(0.7), np.float32(1)))))) == 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_fields_that_are_not_finite_do_no_harm(wrong: float, rng: np.random.Generator) -> None:
    fields = Fields(*(rng.random((c, 4, 5)).astype(np.float32) * 40 for c in (17, 34, 32, 32)), 16)
    for field in fields[:4]:
        field[rng.random(field.shape) < 0.3] = wrong
    poses = decode(*fields, options(threshold=0.0))
    assert np.isfinite(poses.xy).all()
    assert math.isfinite(poses.scores.sum())
