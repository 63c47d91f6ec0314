from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from people import person, together
from posecli.poses import Poses
from posecli.skeleton import PART_INDEX
from posecli.smoothing import FADE_S, RESET_S, SNAP, Smoother

THRESHOLD = 0.2
WRIST, KNEE = PART_INDEX["left_wrist"], PART_INDEX["left_knee"]
FPS = 30


def smoothed(frames: Sequence[Poses], times: Sequence[float] | NDArray[np.float64]) -> list[Poses]:
    smoother = Smoother(THRESHOLD)
    return [smoother.update(poses, float(t)) for poses, t in zip(frames, times, strict=True)]


def one(x: float = 300.0, y: float = 300.0, **more: Any) -> Poses:
    return person(x, y, identity=1, **more)


def with_part(part: int, score: float, moved: tuple[float, float] = (0.0, 0.0), **more: Any) -> Poses:
    """One person with one part of that score, away from its place by `moved` px."""
    scores, away = np.full(17, 0.9), np.zeros((17, 2))
    scores[part], away[part] = score, moved
    return one(part_scores=scores, moved=away, **more)


def xy_of(frames: Sequence[Poses]) -> NDArray[np.float64]:
    """Of the first person of each frame: (F, 17, 2)."""
    return np.stack([poses.xy[0] for poses in frames]).astype(np.float64)


def clock(seconds: float, fps: float = FPS) -> NDArray[np.float64]:
    return np.arange(0, seconds, 1 / fps)


def test_what_does_not_move_stays_where_it_is(rng: np.random.Generator) -> None:
    times = np.cumsum(rng.uniform(0.001, 0.4, 30))
    out = smoothed([one()] * 30, times)
    assert np.abs(xy_of(out) - one().xy).max() < 1e-3
    assert all(poses.part_scores.tolist() == one().part_scores.tolist() for poses in out)
    assert all(poses.scores.tolist() == one().scores.tolist() for poses in out)


def test_trembling_is_cut(rng: np.random.Generator) -> None:
    times = clock(4)
    frames = [one(moved=rng.normal(0, 1, (17, 2))) for _ in times]
    before, after = (
        np.abs(np.diff(xy_of(poses)[30:], 2, axis=0)).mean() for poses in (frames, smoothed(frames, times))
    )
    assert after < 0.3 * before


@pytest.mark.parametrize("speed", [0.2, 0.5, 1.4, 5.0])  # sizes / s
@pytest.mark.parametrize("fps", [10, 30, 60])
def test_what_moves_is_no_more_than_40_ms_late(speed: float, fps: int, rng: np.random.Generator) -> None:
    times = clock(2, fps)
    frames = [one(100 + 100 * speed * t, moved=rng.normal(0, 0.7, (17, 2))) for t in times]
    behind = (xy_of(frames) - xy_of(smoothed(frames, times)))[len(times) // 2 :, :, 0].mean()
    assert behind / (100 * speed) < 0.04


def test_who_walks_in_is_not_late_from_the_first_step_on() -> None:
    times = clock(1)
    frames = [one(100 + 140 * t) for t in times]
    behind = (xy_of(frames) - xy_of(smoothed(frames, times)))[..., 0]
    assert behind.max() / 140 < 0.01


def test_a_part_that_starts_to_move_is_not_late_either() -> None:
    times = clock(3)
    place = [20 * max(t - 2, 0) ** 2 / 0.02 if t < 2.2 else 40 + 400 * (t - 2.2) for t in times]
    frames = [with_part(WRIST, 0.9, (x, 0)) for x in place]
    late_px = np.abs(xy_of(frames) - xy_of(smoothed(frames, times)))[:, WRIST, 0]
    assert late_px.max() < 0.25 * 100


@given(st.floats(0.3, 10), st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_neither_distance_nor_place_matters(scale: float, x: float, y: float) -> None:
    rng = np.random.default_rng(1)
    times = clock(1)
    frames = [one(100 * t, moved=rng.normal(0, 2, (17, 2))) for t in times]
    elsewhere = [poses.with_xy((poses.xy * scale + (x, y)).astype(np.float32)) for poses in frames]
    expected = xy_of(smoothed(frames, times)) * scale + (x, y)
    np.testing.assert_allclose(xy_of(smoothed(elsewhere, times)), expected, atol=1e-3 * (abs(x) + abs(y) + 100 * scale))


def test_the_frame_rate_matters_little() -> None:
    def wave(fps: float) -> NDArray[np.float64]:
        times = clock(3, fps)
        frames = [with_part(WRIST, 0.9, (25 * np.sin(2 * np.pi * t), 0)) for t in times]
        return xy_of(smoothed(frames, times))[:: int(fps / 15), WRIST]

    assert np.abs(wave(30) - wave(60))[5:].max() < 3.0
    assert np.abs(wave(60) - wave(240))[5:].max() < 3.0


def test_people_do_not_concern_each_other(rng: np.random.Generator) -> None:
    times = clock(1)
    first = [person(100, 300, identity=7, moved=rng.normal(0, 2, (17, 2))) for _ in times]
    second = [person(120 + 90 * t, 310, identity=3, size=60, moved=rng.normal(0, 2, (17, 2))) for t in times]
    both = smoothed(
        [together(pair[:: 1 - 2 * (i % 2)]) for i, pair in enumerate(zip(first, second, strict=True))], times
    )
    for people, identity in ((first, 7), (second, 3)):
        alone = xy_of(smoothed(people, times))
        for i, poses in enumerate(both):
            assert poses.ids is not None
            assert poses.ids.tolist() == ([7, 3] if i % 2 == 0 else [3, 7])
            np.testing.assert_array_equal(poses.xy[poses.ids.tolist().index(identity)], alone[i].astype(np.float32))


def test_a_part_that_vanishes_fades_where_it_was() -> None:
    times = clock(1.5)
    gone = 20
    frames = [with_part(WRIST, 0.9) if i < gone else with_part(WRIST, 0.05, (80, -90)) for i in range(len(times))]
    out = smoothed(frames, times)
    place = one().xy[0, WRIST]
    scores = np.array([poses.part_scores[0, WRIST] for poses in out[gone:]])
    fading = scores >= THRESHOLD
    assert 3 <= fading.sum() <= FADE_S * FPS
    assert fading[: fading.sum()].all()  # once gone it stays away
    assert (np.diff(scores[fading]) < 0).all()
    np.testing.assert_allclose(
        xy_of(out)[gone : gone + fading.sum(), WRIST], np.tile(place, (fading.sum(), 1)), atol=0.01
    )
    assert (xy_of(out)[gone + fading.sum() :, WRIST] == frames[-1].xy[0, WRIST]).all()  # the network's word again
    assert (scores[~fading] == np.float32(0.05)).all()


def test_a_part_that_flickers_at_the_threshold_is_held() -> None:
    times = clock(2)
    frames = [with_part(WRIST, 0.9 if i % 3 else 0.19, (0, 0) if i % 3 else (70, 70)) for i in range(len(times))]
    out = smoothed(frames, times)[5:]
    assert min(poses.part_scores[0, WRIST] for poses in out) >= THRESHOLD
    assert np.abs(xy_of(out)[:, WRIST] - one().xy[0, WRIST]).max() < 0.01


def test_a_part_that_was_there_for_a_frame_does_not_linger() -> None:
    frames = [with_part(WRIST, 0.9 if i == 10 else 0.1, (i, 0)) for i in range(20)]
    out = smoothed(frames, clock(20 / FPS)[:20])
    assert [i for i, poses in enumerate(out) if poses.part_scores[0, WRIST] >= THRESHOLD] == [10]


def test_a_part_that_fades_goes_with_the_body() -> None:
    times = clock(1)
    frames = [with_part(WRIST, 0.9 if t < 0.5 else 0.1, x=100 + 140 * t) for t in times]
    out = smoothed(frames, times)
    last = next(i for i, t in enumerate(times) if t >= 0.5) + 3
    assert out[last].part_scores[0, WRIST] >= THRESHOLD
    offset = xy_of(out)[last, WRIST] - xy_of(out)[last, KNEE]
    np.testing.assert_allclose(offset, one().xy[0, WRIST] - one().xy[0, KNEE], atol=1.0)


@pytest.mark.parametrize("hidden_frames", [0, 1, 4, 12])
def test_a_part_that_comes_far_away_is_there_at_once(hidden_frames: int) -> None:
    far = (100 * SNAP + 10, 0)
    frames = [
        *[with_part(WRIST, 0.9)] * 15,
        *[with_part(WRIST, 0.1)] * hidden_frames,
        *[with_part(WRIST, 0.9, far)] * 15,
    ]
    out = xy_of(smoothed(frames, np.arange(len(frames)) / FPS))
    assert np.abs(out[15 + hidden_frames :, WRIST] - frames[-1].xy[0, WRIST]).max() < 0.01


def test_what_is_not_a_number_does_no_harm() -> None:
    frames = [one() for _ in range(30)]
    frames[10].xy[0, WRIST] = np.nan
    frames[20].xy[0] = np.inf
    out = smoothed(frames, np.arange(30) / FPS)
    assert np.abs(xy_of(out) - one().xy)[:, WRIST].max() < 0.01
    assert np.abs(xy_of(out) - one().xy)[[*range(20), *range(21, 30)]].max() < 0.01
    never = [one(moved=np.nan)] * 3
    assert np.isnan(xy_of(smoothed(never, [0, 0.1, 0.2]))).all()


@pytest.mark.parametrize("then", [RESET_S + 0.1, -1.0])
def test_after_a_jump_in_time_it_starts_anew(then: float) -> None:
    frames = [*[one()] * 10, one(x=303)]
    out = smoothed(frames, [*np.arange(10) / FPS, 9 / FPS + then])
    np.testing.assert_array_equal(out[-1].xy, frames[-1].xy)
    assert len(smoothed([*frames[:10], one()[:0]], [*np.arange(10) / FPS, 9 / FPS + then])[-1]) == 0


def test_frames_of_the_same_time_do_no_harm() -> None:
    out = smoothed([one(x=300 + i % 2) for i in range(10)], [0.0] * 10)
    assert np.abs(xy_of(out) - one().xy).max() < 1.01


def test_who_is_not_found_for_a_moment_is_held_and_fades() -> None:
    times = clock(1.5)
    lost = [20, 21, *range(32, 45)]
    nobody = Poses(Poses.empty().xy, Poses.empty().part_scores, Poses.empty().scores, np.zeros(0, np.int64))
    frames = [nobody if i in lost else one(100 + 90 * t) for i, t in enumerate(times)]
    out = smoothed(frames, times)
    for i in (20, 21):
        assert out[i].ids is not None
        assert out[i].ids.tolist() == [1]
        np.testing.assert_allclose(out[i].xy[0], one(100 + 90 * times[i]).xy[0], atol=4)
        assert THRESHOLD <= out[i].part_scores.min() <= out[i].part_scores.max() < 0.9
        assert 0 < out[i].scores[0] < 0.8
    held = [len(poses) for poses in out[32:]]
    assert 3 <= sum(held) <= FADE_S * FPS
    assert held == sorted(held, reverse=True)


def test_who_was_there_for_a_frame_is_not_held() -> None:
    nobody = one()[:0]
    out = smoothed([nobody, one(), nobody, nobody], np.arange(4) / FPS)
    assert [len(poses) for poses in out] == [0, 1, 0, 0]


def test_whatever_the_threshold_nobody_stays_for_ever() -> None:
    smoother = Smoother(min_part_score=0.0)
    for i in range(20):
        smoother.update(one(), i / FPS)
    assert len(smoother.update(one()[:0], 21 / FPS)) == 1
    assert len(smoother.update(one()[:0], 30 / FPS)) == 0


def test_people_need_ids() -> None:
    with pytest.raises(ValueError, match="ids"):
        Smoother().update(person(), 0.0)


@given(st.integers(0, 2**32 - 1))
def test_what_comes_out_has_the_form_of_what_goes_in(seed: int) -> None:
    rng = np.random.default_rng(seed)
    smoother = Smoother(THRESHOLD)
    for t in np.cumsum(rng.choice([0.0, 0.03, 0.7], 10)):
        ids = rng.permutation(5)[: rng.integers(0, 5)].astype(np.int64)
        xy = rng.normal(0, 50, (len(ids), 17, 2)).astype(np.float32)
        given_poses = Poses(xy, rng.random((len(ids), 17), np.float32), rng.random(len(ids), np.float32), ids)
        out = smoother.update(given_poses, float(t))
        assert out.ids is not None
        assert out.ids[: len(ids)].tolist() == ids.tolist()
        assert (out.xy.dtype, out.part_scores.dtype, out.scores.dtype) == (np.float32,) * 3
        assert out.ids.dtype == np.int64
        assert np.isfinite(out.xy).all()
        assert ((out.part_scores >= 0) & (out.part_scores <= 1)).all()
        assert len(set(out.ids.tolist())) == len(out)
