import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from posecli.draw import PALETTE, DrawStyle, draw, strokes
from posecli.draw.people import REACH
from posecli.errors import UsageError
from posecli.opencv import cv2
from posecli.poses import Poses
from posecli.skeleton import DRAWN_EDGES, NUM_PARTS, PART_INDEX
from random_fields import interpreted

HEIGHT, WIDTH = 240, 320
GREY = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
MODERN, CLASSIC = DrawStyle(), DrawStyle(name="classic")
EVERYTHING = {"boxes": True, "labels": True, "scores": True}
BACKGROUNDS = ("original", "black", "transparent")

# A person facing the camera, 90 px wide and 180 px high, around (0, 0).
FIGURE = np.array(
    [
        *[(0, -80), (6, -88), (-6, -88), (14, -84), (-14, -84)],
        *[(28, -50), (-28, -50), (40, -10), (-40, -10), (45, 25), (-45, 25)],
        *[(18, 20), (-18, 20), (20, 58), (-20, 58), (22, 92), (-22, 92)],
    ],
    np.float32,
)


def people(*centres: tuple[float, float], scale: float = 1.0, part: float = 0.9, ids: list[int] | None = None) -> Poses:
    n = len(centres)
    xy = np.array([FIGURE * scale + np.array(centre) for centre in centres], np.float32).reshape(n, NUM_PARTS, 2)
    scores = np.linspace(0.9, 0.5, n, dtype=np.float32)
    return Poses(
        xy, np.full((n, NUM_PARTS), part, np.float32), scores, None if ids is None else np.array(ids, np.int64)
    )


def only(poses: Poses, *parts: str) -> Poses:
    """The same people, of whom nothing but `parts` was found."""
    found = np.isin(np.arange(NUM_PARTS), [PART_INDEX[part] for part in parts])
    return Poses(poses.xy, np.where(found, poses.part_scores, 0).astype(np.float32), poses.scores, poses.ids)


def with_scores(poses: Poses, part: float) -> Poses:
    return Poses(poses.xy, np.full_like(poses.part_scores, part), poses.scores, poses.ids)


def changed(image: NDArray[np.uint8], poses: Poses, style: DrawStyle = MODERN) -> NDArray[np.bool_]:
    """Where the drawing differs from the image, (H, W)."""
    return np.any(draw(image, poses, style) != image, axis=2)


def distance(poses: Poses) -> NDArray[np.float64]:
    """How far each pixel is from the nearest part or drawn line of anybody, (H, W)."""
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    at = np.stack([xs, ys], axis=2).astype(np.float64)
    nearest = np.full((HEIGHT, WIDTH), np.inf)
    for xy in poses.xy.astype(np.float64):
        for start, end in [(i, i) for i in range(NUM_PARTS)] + list(DRAWN_EDGES):
            way = xy[end] - xy[start]
            t = np.clip((at - xy[start]) @ way / max(way @ way, 1e-9), 0, 1)
            nearest = np.minimum(nearest, np.linalg.norm(at - xy[start] - t[..., None] * way, axis=2))
    return nearest


# --- what every style promises ---


@pytest.mark.parametrize("name", ["modern", "classic"])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_input_stays_as_it_is_and_output_has_the_promised_form(name, background, noise):
    before, poses = noise.copy(), people((40, 30), scale=0.3)
    xy = poses.xy.copy()
    result = draw(noise, poses, DrawStyle(name=name, background=background, **EVERYTHING))
    assert np.array_equal(noise, before)
    assert np.array_equal(poses.xy, xy)
    assert not np.shares_memory(result, noise)
    assert result.dtype == np.uint8
    assert result.shape == (60, 80, 4 if background == "transparent" else 3)


@pytest.mark.parametrize("name", ["modern", "classic"])
def test_nobody(name, noise):
    kinds = {b: draw(noise, Poses.empty(), DrawStyle(name=name, background=b, **EVERYTHING)) for b in BACKGROUNDS}
    assert np.array_equal(kinds["original"], noise)
    assert not kinds["black"].any()
    assert not kinds["transparent"].any()


@pytest.mark.parametrize("name", ["modern", "classic"])
def test_parts_below_the_threshold_leave_no_trace(name):
    style = DrawStyle(name=name, min_part_score=0.5, **EVERYTHING)
    poses = people((160, 120))
    assert not changed(GREY, with_scores(poses, 0.49), style).any()
    assert changed(GREY, with_scores(poses, 0.5), style).any()
    # One part at the threshold among others below: nothing but that part, wherever the others are.
    far = poses.with_xy(np.where(np.arange(NUM_PARTS)[:, None] == 9, poses.xy, 10_000).astype(np.float32))
    plain = DrawStyle(name=name)
    assert np.array_equal(draw(GREY, only(poses, "left_wrist"), plain), draw(GREY, only(far, "left_wrist"), plain))


@pytest.mark.parametrize("name", ["modern", "classic"])
def test_a_line_needs_both_its_ends(name):
    poses = people((160, 120))
    left, right = poses.xy[0, 5], poses.xy[0, 6]
    middle = tuple(np.rint((left + right) / 2).astype(int)[::-1])
    style = DrawStyle(name=name)
    assert changed(GREY, only(poses, "left_shoulder", "right_shoulder"), style)[middle]
    assert not changed(GREY, only(poses, "left_shoulder"), style)[middle]
    assert not changed(GREY, only(poses, "left_eye", "right_ear"), style)[middle]


@pytest.mark.parametrize("name", ["modern", "classic"])
@pytest.mark.parametrize("background", ["original", "black"])
def test_pixels_change_at_the_parts_and_nowhere_far_from_them(name, background):
    poses = people((100, 120), (230, 130), scale=0.9)
    image = GREY if background == "original" else np.zeros_like(GREY)
    touched = np.any(draw(GREY, poses, DrawStyle(name=name, background=background)) != image, axis=2)
    away = distance(poses)
    assert not touched[away > 7].any()
    for x, y in np.rint(poses.xy.reshape(-1, 2)).astype(int):
        assert touched[y - 5 : y + 6, x - 5 : x + 6].any()


@pytest.mark.parametrize("name", ["modern", "classic"])
@pytest.mark.parametrize("shape", [(1, 1), (0, 5), (10, 2000), (40, 30)])
def test_any_size_of_image(name, shape):
    image = np.zeros((*shape, 3), np.uint8)
    for background in BACKGROUNDS:
        result = draw(image, people((0, 0), (20, 5)), DrawStyle(name=name, background=background, **EVERYTHING))
        assert result.shape[:2] == shape


def test_views_of_other_arrays_are_taken(noise):
    bgr, poses = noise[..., ::-1].copy(), people((40, 30), scale=0.3)
    assert np.array_equal(draw(bgr[..., ::-1], poses), draw(noise, poses))


@pytest.mark.parametrize("name", ["modern", "classic"])
def test_an_image_that_is_read_only_is_taken(name, noise):
    poses, style = people((40, 30), scale=0.3), DrawStyle(name=name, **EVERYTHING)
    expected = draw(noise, poses, style)
    noise.flags.writeable = False
    assert np.array_equal(draw(noise, poses, style), expected)


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_another_shape_of_image_is_named(image):
    with pytest.raises(ValueError, match=r"image: expected \(H, W, 3\) uint8, got \(4, 4"):
        draw(image, Poses.empty())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "cubist"}, "--style must be one of modern, classic; got 'cubist'"),
        ({"background": "white"}, "--background must be one of original, black, transparent; got 'white'"),
        ({"min_part_score": 1.5}, "--min-part-score must lie between 0 and 1, got 1.5"),
        ({"min_part_score": float("nan")}, "--min-part-score must lie between 0 and 1, got nan"),
    ],
)
def test_a_wrong_style_is_named(wrong, message):
    with pytest.raises(UsageError, match=message):
        DrawStyle(**wrong)


# --- coordinates of any kind ---


@given(
    hnp.arrays(np.float32, (2, NUM_PARTS, 2), elements=st.floats(width=32) | st.floats(-500, 500, width=32)),
    hnp.arrays(np.float32, (2, NUM_PARTS), elements=st.floats(width=32) | st.floats(0, 1, width=32)),
    st.sampled_from(["modern", "classic"]),
    st.sampled_from(BACKGROUNDS),
)
@settings(deadline=None, max_examples=150)
def test_no_coordinate_or_score_is_too_wild(xy, part_scores, name, background):
    poses = Poses(xy, part_scores, np.array([0.5, np.nan], np.float32), np.array([-3, 2**62]))
    result = draw(GREY[:50, :70], poses, DrawStyle(name=name, background=background, **EVERYTHING))
    assert result.shape[:2] == (50, 70)


@pytest.mark.parametrize("name", ["modern", "classic"])
@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf])
def test_a_part_that_is_not_finite_is_left_out(name, wild):
    style = DrawStyle(name=name, **EVERYTHING)
    poses = people((160, 120))
    broken = poses.xy.copy()
    broken[0, 9, 1] = wild
    without = Poses(poses.xy, np.where(np.arange(NUM_PARTS) == 9, 0, poses.part_scores), poses.scores)
    assert np.array_equal(draw(GREY, poses.with_xy(broken), style), draw(GREY, without, style))


@pytest.mark.parametrize("name", ["modern", "classic"])
@pytest.mark.parametrize("far", [1e3, 1e5, 1e9, 1e30])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_line_to_a_far_part_keeps_its_direction(name, far, sign):
    poses = people((160, 120))
    xy = poses.xy.copy()
    xy[0, 5], xy[0, 7] = (160, 100.0), (160 + sign * far, 100.0)
    touched = changed(GREY, only(poses.with_xy(xy), "left_shoulder", "left_elbow"), DrawStyle(name=name))
    row = touched[100] if sign > 0 else touched[100, ::-1]
    assert row[WIDTH // 2 + 8 :].all()
    assert not row[: WIDTH // 2 - 9].any()
    assert not touched[:92].any()
    assert not touched[109:].any()


@pytest.mark.parametrize("name", ["modern", "classic"])
@pytest.mark.parametrize("offset", [(-1e4, 0), (0, 1e5), (1e20, -1e20)])
def test_a_person_outside_leaves_no_trace(name, offset):
    poses = people((160 + offset[0], 120 + offset[1]))
    assert not changed(GREY, poses, DrawStyle(name=name, **EVERYTHING)).any()


@pytest.mark.parametrize("name", ["modern", "classic"])
def test_lines_between_the_largest_floats_are_safe(name):
    poses = people((160, 120))
    xy = poses.xy.copy()
    xy[0, 5], xy[0, 7], xy[0, 9] = (-3e38, 100), (3.1e38, 100), (-1.7e38, 3e38)
    assert draw(GREY, poses.with_xy(xy), DrawStyle(name=name)).shape == GREY.shape


def test_positions_are_finer_than_a_pixel():
    """The centre of a joint, found back from its pixels, is where the part is."""
    for x, y in ((100.0, 80.0), (100.25, 80.0), (100.5, 80.75)):
        poses = people((0, 0))
        xy = poses.xy.copy()
        xy[0, 9] = x, y
        drawn = draw(np.zeros_like(GREY), only(poses.with_xy(xy), "left_wrist"), DrawStyle(background="transparent"))
        weight = drawn[..., 3].astype(np.float64)
        ys, xs = np.mgrid[:HEIGHT, :WIDTH]
        assert (weight * xs).sum() / weight.sum() == pytest.approx(x, abs=0.06)
        assert (weight * ys).sum() / weight.sum() == pytest.approx(y, abs=0.06)


# --- strokes ---

coordinates = st.floats(-30, 60) | st.sampled_from([0.0, 7.0, 15.5, float(-REACH), float(REACH)])
shares = st.floats(0, 1, width=32) | st.sampled_from([0.0, 1.0])
bytes_ = st.integers(0, 255)


def stroke(
    start: tuple[float, float],
    end: tuple[float, float],
    radius: float = 3.0,
    outline: float = 1.0,
    opacity: float = 1.0,
    colour: tuple[int, ...] = (200, 100, 50),
    outline_colour: tuple[int, ...] = (10, 250, 30),
) -> tuple[NDArray[np.floating], ...]:
    """What `strokes.paint` takes after the canvas, for one stroke."""
    return (
        np.array([[start, end]], np.float64),
        np.array([radius], np.float64),
        np.array([outline], np.float64),
        np.array([colour], np.float32),
        np.array([outline_colour], np.float32),
        np.array([opacity], np.float32),
    )


def literal(canvas, segments, radii, outlines, colours, outline_colours, opacities):
    """What `strokes.paint` does, whole pictures at once; returns the picture before it is rounded."""
    ys, xs = np.mgrid[: canvas.shape[0], : canvas.shape[1]]
    at = np.stack([xs, ys], axis=2).astype(np.float64)
    picture = canvas.astype(np.float64)
    for (start, end), radius, outline, colour, outline_colour, opacity in zip(
        segments, radii, outlines, colours, outline_colours, opacities, strict=True
    ):
        way = end - start
        t = np.clip((at - start) @ way / max(way @ way, 1e-12), 0, 1)[..., None]
        away = np.linalg.norm(at - start - t * way, axis=2, keepdims=True)
        covered = opacity * np.clip(radius + outline + 0.5 - away, 0, 1)
        inside = np.clip(radius + 0.5 - away, 0, 1)
        painted = np.full(picture.shape, 255.0)  # coverage, in the fourth channel
        painted[..., :3] = outline_colour + inside * (colour - outline_colour)
        picture += covered * (painted - picture)
    return picture


@pytest.mark.parametrize("python", [False, True])
@given(
    start=st.tuples(coordinates, coordinates),
    end=st.tuples(coordinates, coordinates) | st.none(),
    radius=st.floats(0.5, 20),
    outline=st.floats(0, 6),
    opacity=shares,
    colour=st.tuples(bytes_, bytes_, bytes_),
    channels=st.sampled_from([3, 4]),
)
@settings(deadline=None, max_examples=60)
def test_a_stroke_covers_pixels_by_their_distance(python, start, end, radius, outline, opacity, colour, channels):
    canvas = np.random.default_rng(0).integers(0, 256, (24, 31, channels), dtype=np.uint8)
    arguments = stroke(start, end or start, radius, outline, opacity, colour)
    expected = literal(canvas, *arguments)
    if python:
        with interpreted(strokes):
            strokes.paint(canvas, *arguments)
    else:
        strokes.paint(canvas, *arguments)
    # Rounded; distances to 1/200 px, as single precision has no finer where the ends are as far as REACH and beyond.
    assert np.abs(canvas - expected).max() <= 0.5 + 255 * 0.005


def test_strokes_lie_on_those_before():
    canvas = np.zeros((40, 40, 3), np.uint8)
    across = stroke((5, 20), (35, 20)), stroke((20, 5), (20, 35), outline=3, colour=(1, 2, 3))
    strokes.paint(canvas, *(np.concatenate(each) for each in zip(*across, strict=True)))
    assert canvas[20, 20].tolist() == [1, 2, 3]
    assert canvas[20, 10].tolist() == [200, 100, 50]
    assert canvas[20, 25].tolist() == [10, 250, 30]  # the outline of the second


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("opacity", [0.3, 1.0])
def test_what_is_in_sight_does_not_depend_on_where_the_canvas_ends(channels, opacity, rng):
    large = np.zeros((60, 80, channels), np.uint8)
    small = np.ascontiguousarray(large[20:40, 30:50])
    ends = rng.uniform(0, 60, (2, 30, 2))
    for start, end in zip(*ends, strict=True):
        strokes.paint(large, *stroke(start, end, opacity=opacity))
        strokes.paint(small, *stroke(start - (30, 20), end - (30, 20), opacity=opacity))
    assert small.any()
    assert np.abs(large[20:40, 30:50].astype(int) - small).max() <= 1


@pytest.mark.parametrize("channels", [3, 4])
@given(
    ends=hnp.arrays(np.float64, (5, 2, 2), elements=st.floats(-REACH, REACH)),
    radius=st.floats(0.5, 1e4),
    outline=st.floats(0, 1e4),
)
@settings(deadline=None, max_examples=60)
def test_nothing_is_written_beside_the_canvas(channels, ends, radius, outline):
    rows = np.full((60, 7, channels), 90, np.uint8)
    for start, end in ends:
        strokes.paint(rows[20:40], *stroke(start, end, radius, outline))
    assert (rows[:20] == 90).all()
    assert (rows[40:] == 90).all()


@pytest.mark.parametrize("python", [False, True])
def test_straight_colours_are_those_that_were_multiplied(python):
    """Every colour under every coverage: found back as well as a byte could hold the product."""
    colours, alphas = np.mgrid[:256, :256]
    products = np.rint(colours * alphas / 255)
    canvas = np.stack([products, products, products[::-1], alphas], axis=2).astype(np.uint8)
    if python:
        with interpreted(strokes):
            strokes.straighten(canvas)
    else:
        strokes.straighten(canvas)
    off = np.abs(canvas[..., :2] - colours[..., None])
    assert (off <= 0.5 + 0.5 * 255 / np.maximum(alphas, 1)[..., None])[:, 1:].all()
    assert not canvas[:, 0].any()
    assert np.array_equal(canvas[..., 3], alphas)
    assert np.array_equal(canvas[..., 2], canvas[::-1, :, 0])


# --- the modern style ---


def wrist_opacity(score: float, style: DrawStyle) -> int:
    """How opaque, of 255, a wrist of this score is drawn."""
    poses = only(people((160, 120)), "left_wrist")
    poses = Poses(poses.xy, np.where(poses.part_scores > 0, score, 0).astype(np.float32), poses.scores)
    x, y = np.rint(poses.xy[0, 9]).astype(int)
    return int(draw(GREY, poses, style)[y, x, 3])


def test_a_higher_score_gives_a_stronger_colour():
    strengths = [wrist_opacity(score, DrawStyle(background="transparent")) for score in (0.25, 0.4, 0.6, 0.9)]
    assert strengths == sorted(set(strengths))
    assert strengths[-1] == 255


@pytest.mark.parametrize("least", [0.0, 0.2, 0.6])
def test_in_a_style_that_fades_nothing_appears_or_vanishes_at_once(least):
    style = DrawStyle(background="transparent", min_part_score=least, fades=True)
    opacities = [wrist_opacity(score, style) for score in np.linspace(least, least + 0.3, 31)]
    assert opacities[0] == 0
    assert min(np.diff(opacities[:25])) > 0
    assert max(np.diff(opacities)) < 16


def test_only_parts_near_the_threshold_are_fainter_in_a_style_that_fades():
    plain, fading = (DrawStyle(background="transparent", fades=fades) for fades in (False, True))
    assert wrist_opacity(0.3, fading) < wrist_opacity(0.3, plain)
    for score in (0.46, 0.6, 0.9):
        assert wrist_opacity(score, fading) == wrist_opacity(score, plain)


@pytest.mark.parametrize("scale", [0.5, 1, 4, 16])
def test_joints_are_round_at_any_size(scale):
    """The outermost pixels lie as far from the centre in every direction."""
    image = np.zeros((round(240 * scale), round(320 * scale), 3), np.uint8)
    poses = people((160 * scale, 120 * scale), scale=scale)
    x, y = poses.xy[0, 9]
    poses = only(poses, "left_wrist", "right_ankle")  # whose distance makes the disc as large as it gets
    alpha = draw(image, poses, DrawStyle(background="transparent"))[..., 3]
    ys, xs = np.nonzero(alpha > 127)
    near = np.hypot(xs - x, ys - y) < 30 * scale
    away = np.stack([xs, ys], axis=1)[near] - (x, y)
    turns = np.arange(64) * (2 * np.pi / 64)
    reach = (away @ [np.cos(turns), np.sin(turns)]).max(axis=0)  # (64,) how far it goes in each direction
    assert reach.min() > 1
    assert np.ptp(reach) < 1.2


@pytest.mark.parametrize("slope", [-1.0, -0.3, 0.0, 0.6])
@pytest.mark.parametrize("scale", [0.7, 1, 2])
def test_faint_marks_are_solid_ones_mixed_with_the_image(slope, scale):
    """A joint to its last pixel, and a line away from its joints."""
    poses = people((160, 120), scale=scale)
    xy = poses.xy.copy()
    xy[0, 5], xy[0, 6] = (60.3, 120.6 - 80 * slope), (240.7, 120.2 + 80 * slope)
    xy[0, 9] = 160.4, 20.3
    poses = only(poses.with_xy(xy), "left_shoulder", "right_shoulder", "left_wrist", "left_ankle")
    faint = Poses(poses.xy, poses.part_scores / np.float32(1.8), poses.scores)  # 0.5, and so 0.75 opaque
    mixed = 0.25 * GREY + 0.75 * draw(GREY, poses)
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    clear = np.min([np.hypot(xs - x, ys - y) for x, y in xy[0, 5:7]], axis=0) > 15
    assert np.abs(draw(GREY, faint) - mixed)[clear].max() <= 1


@pytest.mark.parametrize("scale", [0.5, 1, 4])
def test_the_middle_of_limbs_and_joints_has_the_colour_of_the_person(scale):
    image = np.zeros((round(240 * scale), round(320 * scale), 3), np.uint8)
    poses = people((160 * scale, 120 * scale), scale=scale)
    drawn = draw(image, poses)
    xy = poses.xy[0]
    middles = [(xy[start] + xy[end]) / 2 for start, end in ((5, 6), (5, 7), (13, 15))]
    for x, y in np.rint([*middles, *xy[5:]]).astype(int):
        assert drawn[y, x].tolist() == list(PALETTE[0][:3])


def test_a_line_is_as_faint_as_its_weaker_end():
    poses = people((160, 120))
    x, y = np.rint((poses.xy[0, 5] + poses.xy[0, 6]) / 2).astype(int)

    def coverage(left: float, right: float) -> int:
        part_scores = np.zeros((1, NUM_PARTS), np.float32)
        part_scores[0, 5:7] = left, right
        drawn = draw(GREY, Poses(poses.xy, part_scores, poses.scores), DrawStyle(background="transparent"))
        return int(drawn[y, x, 3])

    assert coverage(0.3, 0.9) == coverage(0.9, 0.3) == coverage(0.3, 0.3) < coverage(0.9, 0.9) == 255


def colour_at(drawn: NDArray[np.uint8], poses: Poses, i: int, part: str = "left_hip") -> tuple[int, ...]:
    x, y = np.rint(poses.xy[i, PART_INDEX[part]]).astype(int)
    return tuple(drawn[y, x].tolist())


def test_people_differ_in_colour():
    poses = people(*((40 * i + 25, 120) for i in range(len(PALETTE))), scale=0.5)
    drawn = draw(GREY, poses)
    assert [colour_at(drawn, poses, i) for i in range(len(poses))] == [colour[:3] for colour in PALETTE]


def test_an_identity_keeps_its_colour():
    centres = [(60, 120), (160, 120), (260, 120)]
    first, second = people(*centres, ids=[4, 7, 12]), people(*centres, ids=[12, 4, 7])
    a, b = draw(GREY, first), draw(GREY, second)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        assert colour_at(a, first, i) == colour_at(b, second, j)
    assert len({colour_at(a, first, i) for i in range(3)}) == 3


def test_the_best_scoring_person_is_on_top():
    poses = people((160, 120), (160, 120))
    assert colour_at(draw(GREY, poses), poses, 0) == PALETTE[0][:3]
    worse_first = Poses(poses.xy, poses.part_scores, poses.scores[::-1])
    assert colour_at(draw(GREY, worse_first), poses, 0) == PALETTE[1][:3]


def ink(image: NDArray[np.uint8], poses: Poses) -> int:
    """How many pixels a line of the figure is thick, at the middle of the shoulders."""
    x, y = np.rint((poses.xy[0, 5] + poses.xy[0, 6]) / 2).astype(int)
    return int(changed(image, poses)[y - 12 : y + 13, x].sum())


def test_lines_widen_with_the_image_and_with_the_person():
    large = np.full((4 * HEIGHT, 4 * WIDTH, 3), 90, np.uint8)
    centre = (2 * WIDTH, 2 * HEIGHT)
    beside = people((160, 120))
    assert ink(large, people(centre, scale=4)) > ink(GREY, beside)
    assert ink(large, people(centre, scale=4)) > ink(large, people(centre))


def test_face_parts_are_smaller_than_joints():
    poses = people((160, 120))
    nose, wrist = (changed(GREY, only(poses, part)).sum() for part in ("nose", "left_wrist"))
    assert 0 < nose < wrist


@pytest.mark.parametrize("shade", [0, 60, 128, 200, 255])
def test_lines_stand_out_from_any_grey(shade):
    image = np.full_like(GREY, shade)
    for i in range(len(PALETTE)):
        drawn = draw(image, people((160, 120), ids=[i])).astype(int)
        x, y = 160, 70  # between the shoulders
        assert np.abs(drawn[y - 4 : y + 5, x] - shade).max() > 60


# --- backgrounds ---


@pytest.mark.parametrize("name", ["modern", "classic"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_transparent_over_black_is_the_black_one(name, part):
    poses = people((100, 120), (200, 110), part=part)
    extras = {"name": name, **EVERYTHING}
    rgba = draw(GREY, poses, DrawStyle(background="transparent", **extras)).astype(np.float64)
    black = draw(GREY, poses, DrawStyle(background="black", **extras))
    assert np.abs(rgba[..., :3] * rgba[..., 3:] / 255 - black).max() <= 3


def test_transparent_over_the_image_is_the_drawing_on_it(rng):
    image = np.repeat(np.repeat(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), 20, axis=0), 20, axis=1)
    poses = people((100, 120), (200, 110), part=0.5)
    rgba = draw(image, poses, DrawStyle(background="transparent", **EVERYTHING)).astype(np.float64)
    over = rgba[..., :3] * rgba[..., 3:] / 255 + image * (1 - rgba[..., 3:] / 255)
    assert np.abs(over - draw(image, poses, DrawStyle(**EVERYTHING))).max() <= 6


# --- boxes and captions ---


@pytest.mark.parametrize("name", ["modern", "classic"])
@pytest.mark.parametrize("centre", [(160, 120), (290, 120), (160, 190), (20, 50)])
def test_a_box_surrounds_the_shown_parts(name, centre):
    poses = people(centre)
    with_box = draw(GREY, poses, DrawStyle(name=name, boxes=True))
    ys, xs = np.nonzero((with_box != draw(GREY, poses, DrawStyle(name=name))).any(axis=2))
    x, y, width, height = poses.boxes(WIDTH, HEIGHT, 0.2)[0]
    edges = np.array([xs.min(), ys.min(), xs.max(), ys.max()]) - np.array([x, y, x + width, y + height])
    assert (edges[:2] <= 0).all()
    assert (edges[2:] >= 0).all()
    assert np.abs(edges).max() <= 8
    inside = (slice(int(y) + 2, int(y + height) - 2), slice(int(x) + 2, int(x + width) - 2))
    assert not (with_box != draw(GREY, poses, DrawStyle(name=name))).any(axis=2)[inside].any()


def caption(poses: Poses, image: NDArray[np.uint8] = GREY, **options: bool) -> NDArray[np.bool_]:
    """Where captions changed the drawing."""
    return np.any(draw(image, poses, DrawStyle(**options)) != draw(image, poses), axis=2)


def test_captions_lie_above_the_head_and_widen_with_what_they_say():
    poses = people((160, 130))
    label, score, both = (
        caption(poses, labels=labels, scores=scores) for labels, scores in ((True, False), (False, True), (True, True))
    )
    ys, xs = np.nonzero(label)
    assert ys.max() <= 130 - 88
    assert abs((xs.min() + xs.max()) / 2 - 160) <= 1
    widths = [np.ptp(np.nonzero(where)[1]) for where in (score, label, both)]
    assert widths == sorted(set(widths))


@pytest.mark.parametrize("boxes", [False, True])
@pytest.mark.parametrize("centre", [(0, 0), (WIDTH, 0), (0, HEIGHT), (WIDTH, HEIGHT), (160, 20), (-20, 120)])
def test_captions_stay_within_the_image(boxes, centre):
    def plate(centre: tuple[float, float]) -> tuple[int, int]:
        poses = people(centre, part=0.3)  # faint, so that nothing else has the plate's colour
        drawn = draw(GREY, poses, DrawStyle(boxes=boxes, labels=True))
        before = draw(GREY, poses, DrawStyle(boxes=boxes))
        own = (drawn == np.array(PALETTE[0][:3])).all(axis=2) & (drawn != before).any(axis=2)
        ys, xs = np.nonzero(own)
        return int(np.ptp(xs)), int(np.ptp(ys))

    assert np.abs(np.subtract(plate(centre), plate((160, 130)))).max() <= 2 + 2 * boxes


def test_captions_of_neighbours_do_not_overlap():
    """Each plate keeps its whole area, however close the heads."""
    apart, close = (people(*((160 + gap * i, 140) for i in range(3)), scale=0.4, part=0.3) for gap in (100, 6))
    apart = apart.with_xy(apart.xy - np.array([100, 0], np.float32))

    def plates(poses: Poses) -> list[int]:
        drawn = draw(GREY, poses, DrawStyle(labels=True))
        return [int((drawn == np.array(colour[:3])).all(axis=2).sum()) for colour in PALETTE[:3]]

    assert plates(close) == pytest.approx(plates(apart), rel=0.05)


def test_captions_of_people_in_one_place_keep_within_the_image():
    """Both boxes fill the image's height, so that the second plate goes to its bottom."""
    poses = people((160, 120), (160, 120), scale=1.3, part=0.3)
    drawn = draw(GREY, poses, DrawStyle(boxes=True, labels=True))
    rows = np.flatnonzero((drawn == np.array(PALETTE[1][:3])).all(axis=2).sum(axis=1) > 20)
    assert rows.min() > HEIGHT - 25
    assert np.ptp(rows) >= 10


def test_captions_name_identities():
    poses = people((160, 130))
    first, second, other = (
        draw(GREY, Poses(poses.xy, poses.part_scores, poses.scores, ids), DrawStyle(labels=True))
        for ids in (None, np.array([0]), np.array([7]))
    )
    assert (first != second).any()
    assert (second != other).any()  # 0 and 7 share a colour, not a name


def test_captions_need_room():
    assert not caption(people((8, 60), scale=0.2), np.full((100, 5, 3), 90, np.uint8), labels=True).any()
    assert caption(people((35, 60), scale=0.2), np.full((100, 70, 3), 90, np.uint8), labels=True).any()


def test_captions_grow_with_the_image():
    large = np.full((4 * HEIGHT, 4 * WIDTH, 3), 90, np.uint8)
    heights = [
        np.ptp(np.nonzero(caption(people(centre), image, labels=True))[0])
        for image, centre in ((GREY, (160, 120)), (large, (640, 480)))
    ]
    assert heights[1] > 2 * heights[0]


# --- the classic style ---


def test_classic_is_what_the_2018_port_draws(rng):
    """The port's own two OpenCV calls are the oracle."""
    poses = people((100, 120), (215.4, 121.7))
    part_scores = rng.uniform(0, 1, poses.part_scores.shape).astype(np.float32)
    poses = Poses(poses.xy, part_scores, poses.scores)
    shown = part_scores >= 0.2
    keypoints = [
        cv2.KeyPoint(float(x), float(y), 10.0 * float(score))
        for (x, y), score in zip(poses.xy[shown], part_scores[shown], strict=True)
    ]
    flags = cv2.DRAW_MATCHES_FLAGS_DRAW_RICH_KEYPOINTS
    expected = cv2.drawKeypoints(GREY, keypoints, np.array([]), color=(0, 255, 255), flags=flags)
    lines = [
        poses.xy[i, list(edge)].astype(np.int32)
        for i in range(len(poses))
        for edge in DRAWN_EDGES
        if shown[i, list(edge)].all()
    ]
    cv2.polylines(expected, lines, isClosed=False, color=(0, 255, 255))
    assert np.array_equal(draw(GREY, poses, CLASSIC), expected)


def test_classic_lines_are_exactly_cyan():
    poses = only(people((160, 120)), "left_shoulder", "right_shoulder")
    drawn = draw(GREY, poses, CLASSIC)
    assert {tuple(pixel) for pixel in drawn[70, 140:181].tolist()} == {(0, 255, 255)}
    assert (drawn[69, 140:181] == 90).all()
    assert (drawn[71, 140:181] == 90).all()


# --- real people ---


@pytest.mark.shared
def test_real_people_are_drawn_where_they_are(shared: Path):
    golden = json.loads((shared / "golden/float-075-s16-513-multi-max20-score0.5.json").read_text())
    found = golden["images"]["soccer"]["poses"]
    parts = [[(k["position"]["x"], k["position"]["y"], k["score"]) for k in pose["keypoints"]] for pose in found]
    table = np.array(parts, np.float32)  # (N, 17, 3)
    poses = Poses(table[..., :2], table[..., 2], np.array([pose["score"] for pose in found], np.float32))
    image = cv2.cvtColor(cv2.imread(str(shared / "images/soccer.png")), cv2.COLOR_BGR2RGB)
    touched = changed(image, poses)
    assert 0.005 < touched.mean() < 0.1
    sure = table[table[..., 2] > 0.7][:, :2]
    inside = sure[((sure >= 0) & (sure < np.array(image.shape[1::-1]) - 1)).all(axis=1)]
    assert len(inside) > 20
    assert all(touched[y, x] for x, y in np.rint(inside).astype(int))


def test_in_a_crowd_no_caption_covers_another() -> None:
    from posecli.draw.captions import draw_captions
    from posecli.draw.people import gather

    canvas = np.zeros((200, 300, 3), np.uint8)
    crowd = people(*((40 + 13 * i, 100 + 3 * (i % 4)) for i in range(16)), scale=0.3)
    style = DrawStyle(labels=True, scores=True)
    alone = []
    for i in range(len(crowd)):
        single = np.zeros_like(canvas)
        draw_captions(single, gather(crowd[i : i + 1], single, style), boxed=False)
        alone.append(int((single > 0).any(axis=2).sum()))
    draw_captions(canvas, gather(crowd, canvas, style), boxed=False)
    covered = int((canvas > 0).any(axis=2).sum())
    assert max(alone) < covered < sum(alone)  # some stand in full, some shortened or left out


def test_no_picture_waits_for_the_kernels():
    """In a process of its own: here they have run before."""
    code = """
import numpy as np
from posecli.draw import draw, prepare, strokes
from posecli.poses import Poses
prepare()
compiled = list(strokes.paint.signatures)
somebody = Poses(np.full((1, 17, 2), 20, np.float32), np.ones((1, 17), np.float32), np.ones(1, np.float32))
assert draw(np.zeros((40, 40, 3), np.uint8), somebody).any()
assert compiled == strokes.paint.signatures != []
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
