"""`decode_single` against a literal decoder."""

import numpy as np
from hypothesis import given, settings

import literal_decoders as literal
from posecli.decode import decode, single
from posecli.options import DecodeOptions
from random_fields import Fields, assert_same, encode, interpreted, people_apart, random_fields

OPTIONS = DecodeOptions(single=True, min_pose_score=0.0)


@settings(max_examples=200, deadline=None)
@given(random_fields())
def test_agrees_with_the_literal_decoder(fields: Fields) -> None:
    assert_same(decode(*fields, OPTIONS), [literal.single(literal.Grid(*fields))])


@settings(max_examples=30, deadline=None)
@given(random_fields())
def test_its_python_agrees_too(fields: Fields) -> None:
    with interpreted(single):
        poses = decode(*fields, OPTIONS)
    assert_same(poses, [literal.single(literal.Grid(*fields))])


def test_a_person_drawn_into_fields_comes_back(rng: np.random.Generator) -> None:
    person = people_apart(rng, 1)
    poses = decode(*encode(person, height=33, width=17, stride=8), OPTIONS)
    np.testing.assert_allclose(poses.xy, person, atol=1e-3)


def test_a_nan_is_not_the_highest_cell() -> None:
    fields = [np.zeros((depth, 2, 2), np.float32) for depth in (17, 34, 32, 32)]
    fields[0][:] = [[np.nan, 0.25], [0.5, np.nan]]
    poses = decode(*fields, 16, OPTIONS)
    assert poses.xy.reshape(-1, 2).tolist() == [[0, 16]] * 17
    assert poses.scores.tolist() == [0.5]


def test_nothing_but_nan_is_nobody() -> None:
    fields = [np.full((depth, 2, 2), np.nan, np.float32) for depth in (17, 34, 32, 32)]
    assert len(decode(*fields, 16, OPTIONS)) == 0
