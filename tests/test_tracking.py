import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from people import person, together
from posecli.poses import Poses
from posecli.skeleton import PART_MIRROR
from posecli.tracking import KEPT_S, LONGEST_S, SURE, UPRIGHT, Tracker, body_size, own_parts

WALK = 140.0  # px / s for people of 100 px: a brisk walk


def ids_of(frames: Sequence[Poses], times: Sequence[float]) -> list[list[int]]:
    """The ids of each frame's people."""
    tracker = Tracker()
    found = []
    for poses, time_s in zip(frames, times, strict=True):
        ids = tracker.update(poses, time_s).ids
        assert ids is not None
        assert ids.dtype == np.int64
        found.append(ids.tolist())
    return found


def noisy(rng: np.random.Generator, *where: tuple[float, float], **more: float) -> Poses:
    """People at these places, each part off by some px."""
    return together(person(x, y, moved=rng.normal(0, 2, (17, 2)), **more) for x, y in where)


def test_the_same_people_come_back_with_ids() -> None:
    poses = together([person(100, 200), person(400, 200)])
    tracked = Tracker().update(poses, 0.0)
    assert tracked.xy is poses.xy
    assert tracked.part_scores is poses.part_scores
    assert tracked.scores is poses.scores
    assert tracked.ids is not None
    assert sorted(tracked.ids.tolist()) == [1, 2]
    assert poses.ids is None


def test_scipy_is_loaded_once_there_are_two_people() -> None:
    code = """
import sys, threading
from people import person, together
from posecli.tracking import Tracker
tracker = Tracker()
for i in range(3):
    tracker.update(person(100, 200), i / 10)
print("scipy.optimize" in sys.modules)
for i in range(3, 6):
    tracker.update(together([person(100, 200), person(400, 200)]), i / 10)
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join()
print("scipy.optimize" in sys.modules, tracker.update(together([person(110, 200), person(130, 200)]), 0.6).ids)
"""
    support = str(Path(__file__).parent / "support")
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": support}, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["False", "True [1 3]"], done.stderr


def test_nobody() -> None:
    empty = Tracker().update(Poses.empty(), 0.0)
    assert empty.ids is not None
    assert (empty.ids.shape, empty.ids.dtype) == ((0,), np.int64)
    seen, gone, back = ids_of([person(), Poses.empty(), person()], [0, 0.1, 0.2])
    assert (seen, gone, back) == ([1], [], [1])


@pytest.mark.parametrize("fps", [5, 10, 30, 60])
def test_a_steady_person_keeps_the_id_over_a_second_out_of_sight(fps: int, rng: np.random.Generator) -> None:
    times = np.arange(0, 4, 1 / fps)
    frames = [Poses.empty() if 1.5 <= t < 2.5 else noisy(rng, (300, 300)) for t in times]
    assert {identity for ids in ids_of(frames, times) for identity in ids} == {1}


@pytest.mark.parametrize("fps", [0.5, 1, 2])
def test_few_frames_a_second_are_enough_for_who_stays(fps: float, rng: np.random.Generator) -> None:
    times = np.arange(12) / fps
    frames = [Poses.empty() if i == 7 else noisy(rng, (300, 300), score=SURE - 0.1) for i in range(len(times))]
    assert {identity for ids in ids_of(frames, times) for identity in ids} == {1}


@pytest.mark.parametrize("fps", [10, 30])
def test_a_walker_is_known_again_behind_an_obstacle(fps: int, rng: np.random.Generator) -> None:
    times = np.arange(0, 3, 1 / fps)
    frames = [Poses.empty() if 1.2 <= t < 2.0 else noisy(rng, (WALK * t, 300)) for t in times]
    assert {identity for ids in ids_of(frames, times) for identity in ids} == {1}


def test_a_walker_is_followed_through_frames_that_come_irregularly(rng: np.random.Generator) -> None:
    times = np.cumsum(rng.choice([0.01, 0.033, 0.1, 0.25], 60))
    frames = [noisy(rng, (WALK * t, 300)) for t in times]
    assert {identity for ids in ids_of(frames, times) for identity in ids} == {1}


def test_who_stays_away_comes_back_as_somebody_new() -> None:
    times = np.arange(0, KEPT_S + 1, 0.1)
    frames = [person() if t < 0.5 else Poses.empty() for t in times]
    assert ids_of([*frames, person()], [*times, KEPT_S + 1.1])[-1] == [2]


@pytest.mark.parametrize("gap_s", [2.0, 10.0, LONGEST_S - 1])
def test_over_a_gap_in_time_who_stayed_is_known_and_nobody_else(gap_s: float) -> None:
    times = [*np.arange(0, 1, 1 / 30), 1 + gap_s, 1.03 + gap_s]
    there, elsewhere = person(300, 300), person(900, 500)
    assert ids_of([there] * 32, times)[-1] == [1]
    assert ids_of([*[there] * 30, *[elsewhere] * 2], times)[-1] == [2]


@pytest.mark.parametrize("gap_s", [LONGEST_S + 1, 3600.0, 1e7])
def test_after_a_long_gap_nobody_is_known_and_ids_go_on(gap_s: float, rng: np.random.Generator) -> None:
    times = [*np.arange(0, 1, 1 / 30), *np.arange(0, 2, 1 / 30) + 1 + gap_s]
    found = ids_of([noisy(rng, (300, 300)) for _ in times], times)
    assert {ids[0] for ids in found[:30]} == {1}
    assert {ids[0] for ids in found[30:]} == {2}


@given(st.permutations(range(4)), st.integers(0, 2**32 - 1))
def test_the_order_of_the_people_in_a_frame_does_not_matter(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.arange(0, 1, 0.1)
    frames = [noisy(rng, *((200 * i + 60 * t, 300 + 5 * i) for i in range(4))) for t in times]
    shuffled = [poses[np.array(order)] for poses in frames]
    expected = [[ids[i] for i in order] for ids in ids_of(frames, times)]
    assert ids_of(shuffled, times) == expected


@given(st.integers(0, 2**32 - 1))
def test_people_far_apart_never_change_places(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.01, 0.2, 25))
    frames, orders = [], []
    for _ in times:
        orders.append(rng.permutation(3))
        places = [(400 * i + rng.uniform(-5, 5), 300 + rng.uniform(-5, 5)) for i in orders[-1]]
        frames.append(noisy(rng, *places))
    found = ids_of(frames, times)
    by_person = {
        (int(who), identity)
        for order, ids in zip(orders, found, strict=True)
        for who, identity in zip(order, ids, strict=True)
    }
    assert len(by_person) == 3


@given(st.integers(0, 2**32 - 1))
def test_an_id_is_never_there_twice_whatever_the_network_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(8):
        n = int(rng.integers(0, 6))
        xy = rng.normal(0, 60, (n, 17, 2)).astype(np.float32)
        xy[rng.random((n, 17)) < 0.1] = rng.choice([np.nan, np.inf, -np.inf])
        frames.append(Poses(xy, rng.random((n, 17), np.float32), rng.random(n, np.float32)))
    for ids in ids_of(frames, np.cumsum(rng.choice([0.0, 0.03, 1.0], 8))):
        assert len(set(ids)) == len(ids)
        assert min(ids, default=1) >= 1


@given(st.floats(0.2, 20), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_neither_distance_nor_place_matters(scale: float, x: float, y: float) -> None:
    rng = np.random.default_rng(0)
    times = np.arange(0, 2, 0.1)
    frames = [noisy(rng, (WALK * t, 300), (280 - WALK * t, 310)) for t in times]
    moved = [poses.with_xy((poses.xy * scale + (x, y)).astype(np.float32)) for poses in frames]
    assert ids_of(moved, times) == ids_of(frames, times)


def hidden_one(t: float, away: Callable[[float], bool], rng: np.random.Generator) -> Poses:
    """Two people who pass each other at t = 2 s; the second one is not found while `away`."""
    places = [(WALK * (t - 2), 300.0), (WALK * (2 - t), 310.0)]
    return noisy(rng, *(places[:1] if away(t) else places))


@pytest.mark.parametrize("hidden_s", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("fps", [10, 30])
def test_people_who_cross_keep_their_ids(hidden_s: float, fps: int, rng: np.random.Generator) -> None:
    times = np.arange(0, 4, 1 / fps)
    found = ids_of([hidden_one(t, lambda t: abs(t - 2) < hidden_s / 2, rng) for t in times], times)
    assert {ids[0] for ids in found} == {found[0][0]}
    assert {ids[1] for ids in found if len(ids) == 2} == {found[0][1]}


@pytest.mark.parametrize("score", [0.3, 0.95])
def test_a_pose_that_comes_for_a_frame_takes_nobodys_id(score: float, rng: np.random.Generator) -> None:
    times = np.arange(0, 3, 0.1)
    frames = [noisy(rng, (300 + 60 * t, 300)) for t in times]
    ghosts = [10, 17]
    for i in ghosts:
        frames[i] = together([person(300 + 60 * times[i] + 15, 290, score=score), frames[i]])
    found = ids_of(frames, times)
    assert {ids[-1] for ids in found} == {1}
    assert all(found[i][0] > 1 for i in ghosts)


def test_who_is_known_comes_before_who_was_there_for_a_frame(rng: np.random.Generator) -> None:
    frames = [*[person(300, 300)] * 8, together([person(300, 300), person(360, 300)]), person(338, 300)]
    assert ids_of(frames, np.arange(10) / 10)[-2:] == [[1, 2], [1]]


def test_a_doubtful_pose_does_not_become_somebody_who_left(rng: np.random.Generator) -> None:
    there = [noisy(rng, (300, 300)) for _ in range(10)]
    times = [*np.arange(0, 1, 0.1), *np.arange(1, 2, 0.1)]
    empty = [Poses.empty()] * 9
    assert ids_of([*there, *empty, person(300, 300, score=SURE - 0.1)], times)[-1] == [2]
    assert ids_of([*there, *empty, person(300, 300, score=SURE + 0.1)], times)[-1] == [1]
    assert ids_of([*there, person(300, 300, score=SURE - 0.1)], times[:11])[-1] == [1]


def test_what_is_known_does_not_grow(rng: np.random.Generator) -> None:
    tracker = Tracker()
    sizes = []
    for i in range(400):
        crowd = [(300.0, 300.0), *rng.uniform(0, 5000, (3, 2)).tolist()]
        tracker.update(noisy(rng, *crowd), i / 20)
        sizes.append(len(pickle.dumps(tracker)))
    assert max(sizes[200:]) <= 1.2 * max(sizes[:200])


def test_time_may_stand_still_or_go_back() -> None:
    assert ids_of([person()] * 4, [5.0, 5.0, 4.0, 5.1]) == [[1]] * 4


def test_a_part_counts_where_it_is_seen_and_nobody_better_has_it() -> None:
    scores = np.full(17, 0.9)
    scores[3] = 0.1
    first = person(part_scores=scores, score=0.9)
    behind = person(moved=np.where(np.arange(17)[:, None] < 11, 60.0, 0.0), score=0.5)
    behind.xy[0, 5] = np.nan
    weights, shares = own_parts(together([behind, first]))
    assert shares.tolist() == pytest.approx([10 / 16, 1.0])
    assert weights[1].tolist() == pytest.approx([0.9] * 3 + [0.0] + [0.9] * 13)
    assert weights[0].tolist() == pytest.approx([0.9] * 5 + [0.0] + [0.9] * 5 + [0.0] * 6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_an_echo_of_somebody_is_nobody(mirrored: bool) -> None:
    """The decoder at times finds a person twice, the second time with left and right changing places."""
    real, other = person(300, 300, score=0.6), person(700, 300, score=0.6)
    parts = np.array(PART_MIRROR) if mirrored else np.arange(17)
    echo = person(302, 301, score=0.3, part_scores=0.6)
    echo = echo.with_xy(echo.xy[:, parts])
    tracked = Tracker().update(together([echo, real, other]), 0.0)
    assert tracked.ids is not None
    assert sorted(tracked.ids.tolist()) == [1, 2]
    np.testing.assert_array_equal(tracked.xy, together([real, other]).xy)


def test_left_and_right_that_change_places_change_nobodys_id() -> None:
    """From behind, the network at times takes somebody for a person seen from the front."""
    times = np.arange(0, 3, 0.1)
    frames = [person(300 + 60 * t, 300, moved=UPRIGHT * (150, 0)) for t in times]
    swapped = np.array(PART_MIRROR)
    frames = [poses.with_xy(poses.xy[:, swapped]) if i % 3 == 0 else poses for i, poses in enumerate(frames)]
    assert {identity for ids in ids_of(frames, times) for identity in ids} == {1}


def test_the_size_of_a_body() -> None:
    everything: NDArray[np.bool_] = np.ones(17, bool)
    assert body_size(UPRIGHT * 100, everything) == pytest.approx(100)
    assert body_size(UPRIGHT * 100, np.arange(17) < 7) == pytest.approx(100)  # head and shoulders
    assert body_size(UPRIGHT * 100, ~everything) == 1.0
    assert body_size(UPRIGHT * 1e-6, everything) == 1.0
