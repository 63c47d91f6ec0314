from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from people import person
from posecli.follow import Follower
from posecli.options import FollowOptions
from posecli.poses import Poses
from posecli.sources import Clip, Frame

PICTURE = np.zeros((8, 8, 3), np.uint8)


def a_clip() -> Clip:
    return Clip("clip.mp4", 0, "clip.mp4", Fraction(1, 30), 30.0, None)


def frames_of(clip: Clip | None, count: int, time: Callable[[int], float | None] = lambda i: i / 30) -> list[Frame]:
    return [Frame(PICTURE, i, time(i), "clip.mp4", clip) for i in range(count)]


def trembling(count: int) -> list[Poses]:
    return [person(300 + i % 2, 300) for i in range(count)]


def test_each_clip_starts_anew() -> None:
    follower = Follower(FollowOptions(track=True))
    for clip in (a_clip(), a_clip()):
        for i, (frame, poses) in enumerate(zip(frames_of(clip, 5), trembling(5), strict=True)):
            followed = follower(frame, poses if i else Poses.empty())
            assert followed.ids is not None
            assert followed.ids.tolist() == ([1] if i else [])
            assert followed.xy is poses.xy or i == 0


@pytest.mark.parametrize(
    "options", [FollowOptions(True, True), FollowOptions(True, False), FollowOptions(False, False)]
)
def test_photos_pass_unchanged(options: FollowOptions) -> None:
    follower = Follower(options)
    for poses, frame in zip(trembling(3), frames_of(None, 3, lambda _: None), strict=True):
        assert follower(frame, poses) is poses


def test_photos_between_the_frames_of_a_clip_change_nothing() -> None:
    follower = Follower(FollowOptions(track=True))
    ids = []
    for frame, poses in zip(frames_of(a_clip(), 4), trembling(4), strict=True):
        ids.append(follower(frame, poses).ids)
        follower(frames_of(None, 1)[0], person(900, 900))
    assert [each.tolist() for each in ids if each is not None] == [[1]] * 4


@pytest.mark.parametrize("track", [True, False])
def test_smoothing_tracks_whether_or_not_ids_are_wanted(track: bool) -> None:
    follower = Follower(FollowOptions(track=track, smooth=True))
    raw = trembling(30)
    out = [follower(frame, poses) for frame, poses in zip(frames_of(a_clip(), 30), raw, strict=True)]
    assert (out[-1].ids is not None) == track
    before, after = (np.abs(np.diff([poses.xy[0] for poses in each], axis=0)).mean() for each in (raw, out))
    assert after < 0.5 * before


def test_smoothing_starts_anew_with_each_clip() -> None:
    follower = Follower(FollowOptions(smooth=True))
    for x in (300, 303):
        out = follower(frames_of(a_clip(), 1)[0], person(x, 300))
        np.testing.assert_array_equal(out.xy, person(x, 300).xy)


def test_the_drawing_threshold_is_what_parts_fade_at() -> None:
    scores = np.full(17, 0.9)
    scores[9] = 0.4
    raw = [person()] * 10 + [person(part_scores=scores)]
    for threshold, held in ((0.5, True), (0.3, False)):
        follower = Follower(FollowOptions(smooth=True), threshold)
        out = [follower(frame, poses) for frame, poses in zip(frames_of(a_clip(), 11), raw, strict=True)][-1]
        assert (out.part_scores[0, 9] > 0.5) == held


def test_without_either_nothing_changes() -> None:
    follower = Follower(FollowOptions(track=False, smooth=False))
    poses = person()
    assert follower(frames_of(a_clip(), 1)[0], poses) is poses
