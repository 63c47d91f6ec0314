"""`decode_hough` against a literal decoder, against made people, and against its own Python."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import literal_decoders as literal
from posecli.decode import decode, hough
from posecli.options import DecodeOptions
from posecli.poses import Poses
from posecli.skeleton import COCO_SIGMAS, NUM_EDGES, NUM_PARTS, PART_INDEX, TREE_EDGES
from random_fields import (
    Fields,
    assert_close,
    assert_same,
    encode,
    interpreted,
    people_apart,
    radii,
    random_fields,
    thresholds,
)

few = settings(max_examples=25, deadline=None)  # each is slow: plain Python twice
many = settings(max_examples=120, deadline=None)
limits = st.sampled_from([1, 2, 5])
# Where several vectors lead to one point, the last digits decide too often for two orders of summation to agree.
fine_fields = random_fields(is_coarse=False)

NOSE, SHOULDER, ELBOW, HIP = (PART_INDEX[name] for name in ("nose", "left_shoulder", "left_elbow", "left_hip"))


def options(threshold: float = 0.5, radius: float = 20.0, max_poses: int = 20) -> DecodeOptions:
    return DecodeOptions(
        decoder="accurate", score_threshold=threshold, nms_radius=radius, max_poses=max_poses, min_pose_score=0.0
    )


def blank(height: int = 9, width: int = 9, stride: int = 16) -> Fields:
    depths = (NUM_PARTS, 2 * NUM_PARTS, 2 * NUM_EDGES, 2 * NUM_EDGES)
    return Fields(*(np.zeros((depth, height, width), np.float32) for depth in depths), stride)


def expected(fields: Fields, threshold: float, radius: float, max_poses: int) -> list[literal.Found]:
    try:
        return literal.accurate(literal.Grid(*fields), threshold, radius, max_poses)
    except literal.CloseCallError:
        assume(False)
        raise


def a_person(scale: float = 1.0, at: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
    """A standing person (1, 17, 2), x and y, of about 64 x 192 px where the scale is 1."""
    cells = [
        (2, 1), (2.5, 0.5), (1.5, 0.5), (3, 1), (1, 1), (3, 3), (1, 3), (4, 5), (0, 5),
        (4, 7), (0, 7), (3, 7), (1, 7), (3, 10), (1, 10), (3, 12), (1, 12),
    ]  # fmt: skip
    return np.array([cells]) * 16 * scale + at


@many
@given(fine_fields, thresholds, radii, limits)
def test_agrees_with_the_literal_decoder(fields: Fields, threshold: float, radius: float, max_poses: int) -> None:
    wanted = expected(fields, threshold, radius, max_poses)
    assert_close(decode(*fields, options(threshold, radius, max_poses)), wanted)


@few
@given(fine_fields, thresholds, radii, limits)
def test_its_python_agrees_too(fields: Fields, threshold: float, radius: float, max_poses: int) -> None:
    wanted = expected(fields, threshold, radius, max_poses)
    with interpreted(hough):
        poses = decode(*fields, options(threshold, radius, max_poses))
    assert_close(poses, wanted)


@many
@given(random_fields(), thresholds, radii, st.sampled_from([1, 5, 10_000]))
def test_poses_come_out_by_decreasing_score(fields: Fields, threshold: float, radius: float, max_poses: int) -> None:
    poses = decode(*fields, options(threshold, radius, max_poses))
    assert len(poses) <= max_poses
    assert (np.diff(poses.scores) <= 0).all()
    for scores in (poses.scores, poses.part_scores):
        assert ((scores >= 0) & (scores <= 1)).all()
    # There is somebody exactly where some cell reaches the threshold.
    assert (len(poses) > 0) == bool((fields.heatmaps.astype(np.float64) >= threshold).any())


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("count", [1, 3])
def test_people_drawn_into_fields_come_back(stride: int, count: int, rng: np.random.Generator) -> None:
    people = people_apart(rng, count, spacing=160)
    # Between four cells the vectors must be those of one disk: true where each cell's diagonal is below its radius.
    size = {"height": 256 // stride + 1, "width": 160 * count // stride + 1}
    fields = encode(people, **size, stride=stride, radius=max(32, 2 * stride))
    poses = decode(*fields, options(threshold=0.1))
    assert len(poses) == count  # nobody is found twice
    found = poses[np.argsort(poses.xy[:, 0, 0])]
    np.testing.assert_allclose(found.xy, people, atol=0.01)
    assert (poses.part_scores > 0.2).all()


@pytest.mark.parametrize("stride", [8, 16])
def test_two_people_near_each_other_stay_two(stride: int) -> None:
    # 40 px apart: their disks overlap, and each hears the other's votes.
    people = np.concatenate([a_person(at=(40, 24)), a_person(at=(80, 30))])
    fields = encode(people, height=256 // stride + 1, width=192 // stride + 1, stride=stride)
    poses = decode(*fields, options(threshold=0.3))
    assert len(poses) == 2
    found = poses[np.argsort(poses.xy[:, 0, 0])]
    np.testing.assert_allclose(found.xy, people, atol=1.0)


def test_a_point_whose_cells_disagree_lands_on_their_weighted_mean() -> None:
    # Two cells vote 0.75 and 0.25 for points 4 px apart; at equal distances their weights are those of the heatmap.
    fields = blank()
    fields.heatmaps[0, 4, 3:5] = (0.75, 0.25)
    fields.offsets[NUM_PARTS, 4, 3:5] = (16 + 2, 2 + 4)  # both from x: 48 and 64 to 66 and 70
    (pose,) = decode(*fields, options())
    x = 66.0
    for _ in range(5):
        weights = np.array([0.75, 0.25]) * np.exp(-((np.array([66.0, 70.0]) - x) ** 2) / (2 * 8**2))
        x, before = float(weights @ (66.0, 70.0) / weights.sum()), x
        if x - before < 0.25:
            break
    np.testing.assert_allclose(pose.xy[0, 0], (x, 64), rtol=1e-6)


def test_moving_everybody_by_whole_cells_moves_the_poses_likewise() -> None:
    people = np.concatenate([a_person(at=(70, 50)), a_person(0.7, at=(150, 90))])
    fields = encode(people, height=25, width=25, stride=16)
    moved = Fields(*(np.roll(field, (5, 3), axis=(1, 2)) for field in fields[:4]), fields.stride)
    poses, others = decode(*fields, options()), decode(*moved, options())
    assert len(poses) == len(others) == 2
    np.testing.assert_allclose(others.xy, poses.xy + np.float32([3 * 16, 5 * 16]), atol=1e-3)
    np.testing.assert_allclose(others.part_scores, poses.part_scores, atol=1e-6)
    np.testing.assert_allclose(others.scores, poses.scores, atol=1e-6)


def test_a_smaller_person_with_the_same_part_scores_scores_less() -> None:
    scores = []
    for scale in (2, 1):  # every part on a cell: all part scores are 1
        fields = encode(a_person(scale, at=(16, 16)), height=53, width=21, stride=8)
        (pose,) = decode(*fields, options(threshold=0.9))
        np.testing.assert_array_equal(pose.part_scores, 1)
        scores.append(float(pose.scores[0]))
    assert 1 > scores[0] > scores[1] + 0.05 > 0


def test_the_score_of_sure_parts_is_the_oks_that_they_can_expect() -> None:
    # Parts off by a normal error of 7 px in y and in x, on a box of 64 x 184 px; by quadrature instead of the formula.
    fields = encode(a_person(at=(16, 16)), height=29, width=11, stride=8)
    (pose,) = decode(*fields, options(threshold=0.9))
    assert np.ptp(pose.xy[0], axis=0).tolist() == [64, 184]
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    squared = 49 * (nodes[:, None] ** 2 + nodes**2)
    falls = [np.exp(-squared / (2 * 64 * 184 * (2 * sigma) ** 2)) for sigma in COCO_SIGMAS]
    oks = [weights @ fall @ weights / weights.sum() ** 2 for fall in falls]
    assert float(pose.scores[0]) ** 2 == pytest.approx(np.mean(oks), rel=1e-5)  # times the mean part score, 1


def test_the_scores_of_parts_weigh_in_twice() -> None:
    yx, box = np.zeros((NUM_PARTS, 2)), 1e12  # so large that no error counts
    yx[0] = box
    part_scores = np.linspace(0.2, 1, NUM_PARTS)
    score = hough.pose_score(yx, part_scores, np.empty((0, NUM_PARTS, 2)), 400.0, 16)
    expected_oks = (part_scores**2).sum() / part_scores.sum()
    assert score == pytest.approx((part_scores.mean() * expected_oks) ** 0.5)


def test_a_claimed_part_adds_nothing_to_its_pose() -> None:
    yx = np.random.default_rng(0).uniform(0, 1000, (NUM_PARTS, 2))
    part_scores = np.linspace(0.3, 1, NUM_PARTS)
    earlier = yx[None] + 500.0
    alone = hough.pose_score(yx, part_scores, earlier, 400.0, 16)
    assert alone == hough.pose_score(yx, part_scores, earlier[:0], 400.0, 16)
    earlier[0, 3] = yx[3] + (12, 16)  # on the radius
    claimed = hough.pose_score(yx, part_scores, earlier, 400.0, 16)
    assert claimed == pytest.approx(alone * (1 - part_scores[3] / part_scores.sum()) ** 0.5)
    assert hough.pose_score(yx, part_scores, earlier, 399.0, 16) == alone
    assert hough.pose_score(yx, np.zeros(NUM_PARTS), earlier, 400.0, 16) == 0


def test_the_area_is_that_of_the_seen_parts_and_at_least_a_cell() -> None:
    yx = np.zeros((NUM_PARTS, 2))
    part_scores = np.full(NUM_PARTS, 0.19)
    yx[0], yx[1], yx[2] = (10, -20), (110, 30), (1e6, 1e6)
    part_scores[:2] = 0.2, 1.0
    assert hough.person_area(yx, part_scores, 16) == 100 * 50
    assert hough.person_area(yx, part_scores, 64) == 100 * 64
    assert hough.person_area(yx, np.zeros(NUM_PARTS), 32) == 32 * 32


@pytest.mark.parametrize("python", [False, True])
def test_settling(python: bool, rng: np.random.Generator) -> None:
    settle = hough.settle.py_func if python else hough.settle
    fields = blank()
    if not python:
        # No votes: the point stays, bit for bit.
        assert settle(0, 61.3, 47.9, fields.heatmaps, fields.offsets, 16) == (61.3, 47.9)
    target = np.array([61.25, 47.5])
    cells = np.indices((9, 9)) * 16
    fields.offsets[::NUM_PARTS] = target[:, None, None] - cells
    fields.heatmaps[0] = rng.random((9, 9))
    # Votes that agree exactly are the fixed point, and it is reached at once from anywhere that hears them.
    for start in target + np.array([(0, 0), (20, -20), (-1, 2)]):
        np.testing.assert_allclose(settle(0, *start, fields.heatmaps, fields.offsets, 16), target, rtol=1e-14)
    # Too far to hear them.
    assert settle(0, 61.25, 107.5, fields.heatmaps, fields.offsets, 16) == (61.25, 107.5)


def test_votes_that_come_to_nothing_move_nothing() -> None:
    fields = blank()
    for score, x in ((2e-6, 64.0), (0.9e-6, 65.0)):
        fields.heatmaps[0, 4, 4] = score
        assert hough.settle(0, 64.0, 65.0, fields.heatmaps, fields.offsets, 16) == (64, pytest.approx(x))


def test_a_cell_votes_up_to_the_radius_and_not_beyond() -> None:
    fields = blank()
    fields.heatmaps[0, 4, 6] = 1.0
    fields.offsets[NUM_PARTS, 4, 6] = -30.0  # the cell at x = 96 votes for 66
    for x, settled in ((64.0, 66.0), (63.9, 63.9)):
        y, x = hough.settle(0, 64.0, x, fields.heatmaps, fields.offsets, 16)
        assert (y, x) == (64, pytest.approx(settled))
        assert hough.settle(0, y, x, fields.heatmaps, fields.offsets, 16) == (64, pytest.approx(settled))


def test_a_root_that_starts_on_an_accepted_part_is_dropped_wherever_it_would_settle() -> None:
    for start, poses in ((83.0, 1), (85.0, 2)):  # 19 and 21 px from the first pose; settled, both are further away
        fields = blank()
        fields.heatmaps[0, 4, 4] = 1.0
        fields.heatmaps[0, 3:6, 7] = 0.49
        fields.heatmaps[0, 4, 6] = 0.5
        fields.offsets[NUM_PARTS, 4, 6] = start - 96
        fields.offsets[NUM_PARTS, 3:6, 7] = 95 - 112
        fields.offsets[0, 3:6:2, 7] = 16, -16
        assert hough.settle(0, 64.0, start, fields.heatmaps, fields.offsets, 16)[1] > 84.5
        assert len(decode(*fields, options())) == poses


def test_a_vote_for_a_place_beyond_the_radius_does_not_count() -> None:
    fields = blank()
    fields.heatmaps[0, 4, 4:6] = 0.01, 1.0
    for offset, moves in ((-16 + 31.0, True), (-16 + 33.0, False)):
        fields.offsets[NUM_PARTS, 4, 5] = offset  # the cell at x = 80 votes for 64 and that much
        assert (hough.settle(0, 64.0, 64.0, fields.heatmaps, fields.offsets, 16)[1] > 64.1) == moves


@pytest.mark.parametrize("python", [False, True])
@pytest.mark.parametrize(
    ("position", "stride", "cells", "expected"),
    [
        (64.0, 16, 9, (2, 6)),
        (64.1, 16, 9, (3, 6)),
        (63.9, 16, 9, (2, 5)),
        (0.0, 8, 9, (0, 4)),
        (64.0, 8, 9, (4, 8)),
        (40.0, 32, 3, (1, 2)),
        (-500.0, 16, 9, (0, 0)),  # beyond the grid: its border
        (500.0, 16, 9, (8, 8)),
        (np.inf, 16, 9, (8, 8)),
        (-np.inf, 16, 9, (0, 0)),
        (np.nan, 16, 9, (0, 0)),
    ],
)
def test_voters(position: float, stride: int, cells: int, expected: tuple[int, int], python: bool) -> None:
    voters = hough.voters.py_func if python else hough.voters
    assert voters(np.float64(position), stride, cells) == expected


@given(st.floats(0, 3, width=32), st.floats(0, 4, width=32), st.integers(0, 16))
def test_sampling_is_bilinear(y: float, x: float, channel: int) -> None:
    field = np.random.default_rng(1).random((17, 4, 5)).astype(np.float32)
    corners = [(min(int(y) + j, 3), min(int(x) + i, 4), j, i) for j in (0, 1) for i in (0, 1)]
    by_hand = 0.0
    for v, u, j, i in corners:
        weight_y, weight_x = y - int(y) if j else 1 - (y - int(y)), x - int(x) if i else 1 - (x - int(x))
        by_hand += float(field[channel, v, u]) * weight_y * weight_x
    for sample in (hough.sample, hough.sample.py_func):
        assert sample(field, channel, np.float64(y), np.float64(x)) == pytest.approx(by_hand, rel=1e-12)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_outside_the_grid_its_border_is_read(y: float, x: float) -> None:
    field = np.random.default_rng(1).random((2, 4, 5)).astype(np.float32)
    inside = hough.sample(field, 1, np.float64(min(max(y, 0.0), 3.0)), np.float64(min(max(x, 0.0), 4.0)))
    for sample in (hough.sample, hough.sample.py_func):
        assert sample(field, 1, np.float64(y), np.float64(x)) == inside


def test_at_a_nan_the_first_cell_is_read() -> None:
    field = np.arange(20, dtype=np.float32).reshape(1, 4, 5) + 1
    for sample in (hough.sample, hough.sample.py_func):
        assert sample(field, 0, np.float64(np.nan), np.float64(2.0)) == 3
        assert sample(field, 0, np.float64(1.0), np.float64(np.nan)) == 6


def led_astray(bump: float, nose: float = 0.9) -> Fields:
    """A person whose left elbow, the root, leads to a wrong left shoulder.

    That shoulder is one cell with the score `bump`; it leads to the right nose, and the nose to the right shoulder.
    """
    people = a_person(at=(80, 16))
    fields = encode(people, height=15, width=16, stride=16)
    fields.heatmaps[:] *= np.float32(0.9)
    fields.heatmaps[ELBOW] /= np.float32(0.9)
    fields.heatmaps[NOSE] *= np.float32(nose / 0.9)
    wrong_cell = np.array([10, 13])
    fields.heatmaps[SHOULDER, 10, 13] = bump
    elbow_edge, nose_edge = TREE_EDGES.index((SHOULDER, ELBOW)), TREE_EDGES.index((NOSE, SHOULDER))
    to_wrong = wrong_cell[:, None, None] * 16 - np.indices((15, 16)) * 16
    fields.backward[elbow_edge::NUM_EDGES] = to_wrong
    fields.backward[nose_edge::NUM_EDGES, 10, 13] = people[0, NOSE, ::-1] - wrong_cell * 16
    return fields


@pytest.mark.parametrize("python", [False, True])
def test_a_part_that_its_first_neighbour_placed_badly_is_mended(python: bool) -> None:
    fields = led_astray(bump=0.65)
    if python:
        with interpreted(hough):
            (pose,) = decode(*fields, options(threshold=0.95))
    else:
        (pose,) = decode(*fields, options(threshold=0.95))
    np.testing.assert_allclose(pose.xy[0], a_person(at=(80, 16))[0], atol=0.01)  # what grew from it is mended too
    assert pose.part_scores[0, SHOULDER] == pytest.approx(0.9)


@pytest.mark.parametrize(("bump", "nose"), [(0.75, 0.9), (0.65, 0.6)])
def test_a_part_stays_where_the_gain_is_small_or_the_neighbour_less_sure(bump: float, nose: float) -> None:
    (pose,) = decode(*led_astray(bump, nose), options(threshold=0.95))
    np.testing.assert_allclose(pose.xy[0, SHOULDER], (13 * 16, 10 * 16), atol=0.01)
    assert pose.part_scores[0, SHOULDER] == pytest.approx(bump)
    np.testing.assert_allclose(pose.xy[0, NOSE], a_person(at=(80, 16))[0, NOSE], atol=0.01)


def test_equal_scores_come_in_scan_order() -> None:
    fields = blank(height=1, width=17)
    fields.heatmaps[0, 0, ::4] = 0.75
    fields.heatmaps[1, 0, 2] = 0.875
    assert [divmod(root, 17) for root in hough.find_roots(fields.heatmaps, 0.5)] == [
        (1, 2), (0, 0), (0, 4), (0, 8), (0, 12), (0, 16),
    ]  # fmt: skip
    poses = decode(*fields, options(max_poses=3))
    assert poses.xy[:, 0, 0].tolist() == [0, 64, 32]  # of equal pose scores the earlier stays first
    assert hough.find_roots(fields.heatmaps[:1], 0.75).tolist() == [0, 4, 8, 12, 16]  # the threshold itself is enough


def test_equal_neighbours_are_both_roots_and_a_lower_one_is_none() -> None:
    heatmaps = np.zeros((NUM_PARTS, 5, 5), np.float32)
    heatmaps[3, 0, :3] = (0.5, 0.5, 0.25)
    heatmaps[3, 4, 4] = 0.3
    heatmaps[3, 3, 3] = 0.4  # diagonal neighbours are neighbours
    roots = hough.find_roots(heatmaps, 0.25)
    assert [tuple(map(int, np.unravel_index(root, heatmaps.shape))) for root in roots] == [
        (3, 0, 0), (3, 0, 1), (3, 3, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("neighbour", [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)])
def test_any_of_eight_neighbours_can_exceed_a_cell(neighbour: tuple[int, int]) -> None:
    heatmaps = np.zeros((1, 3, 3), np.float32)
    heatmaps[0, 1, 1] = 0.5
    heatmaps[0][neighbour] = 0.75
    assert hough.find_roots(heatmaps, 0.25).tolist() == [neighbour[0] * 3 + neighbour[1]]


def test_the_threshold_is_compared_in_float64() -> None:
    fields = blank()
    fields.heatmaps[0, 2, 2] = 0.7  # as float32 a little less
    assert len(decode(*fields, options(threshold=0.7))) == 0
    assert len(decode(*fields, options(threshold=float(np.float32(0.7))))) == 1


def test_a_root_on_the_radius_is_claimed_and_one_beyond_is_not() -> None:
    fields = blank(height=1, width=9)
    fields.heatmaps[0, 0, [0, 8]] = (0.75, 0.5)  # 128 px apart: neither hears the other
    assert len(decode(*fields, options(radius=128.0))) == 1
    assert len(decode(*fields, options(radius=math.nextafter(128.0, 0)))) == 2


def test_the_best_roots_come_first_where_the_number_is_limited() -> None:
    fields = blank(height=1, width=9)
    fields.heatmaps[0, 0, [0, 4, 8]] = (0.5, 0.75, 0.625)
    for limit, found in ((1, {64}), (2, {64, 128}), (3, {0, 64, 128}), (20, {0, 64, 128})):
        assert set(decode(*fields, options(max_poses=limit)).xy[:, 0, 0].tolist()) == found


def test_nobody_is_found_in_empty_fields() -> None:
    for size in (1, 9):
        poses = decode(*blank(size, size), options(threshold=0.1))
        assert len(poses) == 0
        assert poses.xy.shape == (0, NUM_PARTS, 2)


def test_one_cell_and_nothing_else_is_somebody() -> None:
    fields = blank(height=1, width=1)
    fields.heatmaps[0] = 0.5
    (pose,) = decode(*fields, options())
    np.testing.assert_array_equal(pose.xy, 0)
    assert float(pose.scores[0]) > 0


def all_finite(poses: Poses) -> bool:
    return all(np.isfinite(array).all() for array in (poses.xy, poses.part_scores, poses.scores))


@pytest.mark.parametrize("python", [False, True])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e36])
def test_fields_that_are_not_finite_do_no_harm(wrong: float, python: bool, rng: np.random.Generator) -> None:
    for share in (0.02, 0.5, 1.0):
        vectors = [rng.random((depth, 4, 5), np.float32) * 40 for depth in (34, 32, 32)]
        fields = Fields(rng.random((NUM_PARTS, 4, 5), np.float32), *vectors, 16)
        for field in fields[int(np.isfinite(wrong)) : 4]:  # scores are never above 1, but may be NaN
            field[rng.random(field.shape) < share] = wrong
        if python:
            with interpreted(hough), np.errstate(all="ignore"):
                poses = decode(*fields, options(threshold=0.0, max_poses=5))
        else:
            poses = decode(*fields, options(threshold=0.0))
        assert all_finite(poses)


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_one_field_that_is_not_finite_does_no_harm(which: int, wrong: float) -> None:
    fields = encode(a_person(at=(16, 16)), height=15, width=9, stride=16)
    fields[which][:] = wrong
    assert all_finite(decode(*fields, options(threshold=0.0)))


def test_a_wrong_number_far_away_changes_nothing() -> None:
    fields = encode(a_person(at=(16, 16)), height=15, width=20, stride=16)
    before = decode(*fields, options())
    for field in fields[:4]:
        field[:, -2:, -2:] = np.nan
    after = decode(*fields, options())
    assert_same(after, [(pose.xy[0, :, ::-1].tolist(), pose.part_scores[0].tolist(), float(pose.scores[0]))
                        for pose in before])  # fmt: skip
