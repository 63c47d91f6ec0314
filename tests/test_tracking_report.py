"""scripts/tracking_report.py: what it counts, on people made here."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import tracking_report
from crossing_composite import Composite, CutOut, Scene, Shown
from people import person, together
from posecli.estimate import load_estimator
from posecli.poses import Poses
from tracking_report import Outcome, by_place, crossing, main, on_treadmills, one_by_one
from video_poses import poses_of_video


def outcome(*people: Sequence[int | None]) -> Outcome:
    return Outcome("video", frozenset(i for ids in people for i in ids if i is not None), people)


def test_a_switch_is_another_id_whatever_lies_between() -> None:
    assert outcome([1, 1, 1]).switches == 0
    assert outcome([1, None, 1], [2, 2, 2]).switches == 0
    assert outcome([1, 2, 1], [2, None, 1]).switches == 3


def test_a_fragmentation_is_being_lost_and_found_again() -> None:
    assert outcome([None, 1, 1, None]).fragmentations == 0
    assert outcome([1, None, None, 1, None, 1], [None, 2, 2]).fragmentations == 2
    assert outcome([1, None, 2]).fragmentations == 1


def test_everybody_has_an_id_of_their_own_and_there_is_no_other() -> None:
    right = outcome([1, None, 1], [2, 2])
    assert right.is_right
    assert str(right) == "video: 2 people, 2 ids, 0 switches, 1 fragmentations; found in 4 of 5 frames: right"
    for wrong in (
        outcome([1, 1], [1, 1]),
        outcome([1, 2], [3, 3]),
        outcome([1, 1], [None, None]),
        outcome([1, 2], [2, 1]),
        Outcome("ghost", frozenset({1, 2}), [[1, 1]]),
    ):
        assert not wrong.is_right
        assert str(wrong).endswith("WRONG")


def test_whose_pose_it_is_can_be_told_by_place_or_by_time() -> None:
    assert [on_treadmills(0, person(x)) for x in (300, 640, 1000)] == [0, 1, 2]
    assert [one_by_one(i, person()) for i in (64, 194, 230, 600, 1356)] == [0, 0, 1, 2, 5]
    frames = [(i / 10, together([person(300), person(1000)] if i != 4 else [person(1000)])) for i in range(8)]
    found = by_place("three", frames, 3, on_treadmills)
    assert [len(ids) for ids in found.people] == [8, 0, 8]
    assert found.people[0][4] is None
    assert found.fragmentations == 1
    assert not found.is_right  # there is no third


def room_and_scenes(count: int) -> tuple[Composite, list[Scene], list[tuple[float, Poses]]]:
    """Two people who cross; who is hidden in the middle is not found there."""
    nothing = np.zeros((4, 4, 3), np.uint8)
    cut = CutOut(nothing, np.zeros((4, 4, 1), np.float32))
    scenes, frames = [], []
    for i in range(count):
        moved = (20 * (i - count // 2), -20 * (i - count // 2))
        visible = 0.1 if abs(i - count // 2) < 2 else 1.0
        scenes.append(Scene(i / 10, nothing, (Shown(0, moved[0], 1.0), Shown(0, moved[1], visible))))
        people = [person(500 + moved[0], 300), person(500 + moved[1], 310)]
        frames.append((i / 10, together(people if visible == 1 else people[:1])))
    return Composite(nothing, ([cut], [cut])), scenes, frames


class Alone:
    """What the network sees of each of the two alone, in turn."""

    def __init__(self) -> None:
        self.people = iter([person(500, 300), person(500, 310)])

    def __call__(self, image: object) -> Poses:
        return next(self.people)


def test_who_cross_are_told_apart_by_what_they_are_alone() -> None:
    found = crossing(*room_and_scenes(40), Alone())
    assert found.is_right
    assert (found.switches, found.fragmentations) == (0, 0)
    assert [len(ids) for ids in found.people] == [40, 37]  # nothing is asked of who is hidden


def test_a_tracker_that_confuses_them_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    track = tracking_report.track

    def confused(frames: Sequence[tuple[float, Poses]]) -> list[Poses]:
        good = track(frames)
        return [
            Poses(p.xy, p.part_scores, p.scores, 3 - p.ids if i > 25 else p.ids)
            for i, p in enumerate(good)
            if p.ids is not None
        ]

    monkeypatch.setattr(tracking_report, "track", confused)
    found = crossing(*room_and_scenes(40), Alone())
    assert not found.is_right
    assert found.switches == 2


def test_the_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(tracking_report, "load_estimator", lambda: None)
    for outcomes, code in (([outcome([1]), outcome([2, 2])], 0), ([outcome([1]), outcome([1, 2])], 1)):
        monkeypatch.setattr(tracking_report, "outcomes", lambda videos, estimator, out=outcomes: iter(out))
        assert main(["videos"]) == code
        assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_three_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    composite, scenes, frames = room_and_scenes(40)
    monkeypatch.setattr(tracking_report, "poses_of_video", lambda path, estimator: iter(frames))
    monkeypatch.setattr(tracking_report, "make_composite", lambda path: composite)
    monkeypatch.setattr(Composite, "scenes", lambda self: iter(scenes))
    poses = iter([*(p for _, p in frames), person(500, 300), person(500, 310)])
    names = [each.name for each in tracking_report.outcomes(Path("videos"), lambda image: next(poses))]  # type: ignore[arg-type]
    assert names[:2] == ["humans_mot.mp4", "one-by-one-person-detection.mp4"]
    assert names[2].startswith("composite of woman in grey and man in black")


@pytest.mark.shared
def test_three_people_on_treadmills(shared: Path) -> None:
    estimator = load_estimator(backend="torch")
    frames = list(poses_of_video(shared / "videos" / "humans_mot.mp4", estimator))
    assert len(frames) == 24
    assert by_place("humans_mot.mp4", frames, 3, on_treadmills).is_right
