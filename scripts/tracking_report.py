#!/usr/bin/env python3
"""Follow people through videos whose truth is known, and count where their ids fail.

    python scripts/tracking_report.py ../shared/videos

Three videos: humans_mot.mp4, where three people walk side by side on treadmills; one-by-one-person-detection.mp4, where
six come and go, nobody between them; and a composite of two of these who cross again and again (crossing_composite.py).
Prints for each how many ids were given; the switches, where a person's id changes; and the fragmentations, where a
person who is to be seen is lost and found again, with or without the same id. Exit code 1 where there is a switch, or
another number of ids than of people.
"""

from __future__ import annotations

import argparse
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from crossing_composite import WALKERS, Composite, Scene, make_composite
from posecli.estimate import Estimator, load_estimator
from posecli.oks import object_keypoint_similarity
from posecli.poses import Poses
from posecli.tracking import Tracker
from video_poses import Timed, poses_of_video

MATCHED = 0.5  # OKS
TO_BE_SEEN = 0.5  # of a person: hidden by more, nothing is expected of the network

# By eye. Of humans_mot.mp4: where one treadmill ends and the next begins, px from the left. Of the other: frames on
# which nobody is there; exactly one person comes and goes between two of them.
TREADMILLS = (460, 820)
EMPTY = (216, 468, 732, 900, 1224)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the people of one video fared."""

    name: str
    given: frozenset[int]  # all ids
    people: Sequence[
        Sequence[int | None]
    ]  # for each, their ids in the frames where they are to be seen; None: not found

    @property
    def switches(self) -> int:
        """How often somebody's id changes."""
        return sum(a != b for found in map(_found, self.people) for a, b in pairwise(found))

    @property
    def fragmentations(self) -> int:
        """How often somebody is lost and found again."""
        return sum(
            before is not None and now is None and any(each is not None for each in ids[i + 1 :])
            for ids in self.people
            for i, (before, now) in enumerate(pairwise(ids), 1)
        )

    @property
    def is_right(self) -> bool:
        """Whether everybody has one id, their own, and there is no other."""
        own = [set(_found(ids)) for ids in self.people]
        return all(len(ids) == 1 for ids in own) and len(self.given) == len(self.people) == len(set().union(*own))

    def __str__(self) -> str:
        found = sum(len(_found(ids)) for ids in self.people)
        wanted = sum(len(ids) for ids in self.people)
        return (
            f"{self.name}: {len(self.people)} people, {len(self.given)} ids, {self.switches} switches, "
            f"{self.fragmentations} fragmentations; found in {found} of {wanted} frames: "
            f"{'right' if self.is_right else 'WRONG'}"
        )


def _found(ids: Sequence[int | None]) -> list[int]:
    return [each for each in ids if each is not None]


def track(frames: Sequence[Timed]) -> list[Poses]:
    """The people of each frame, with ids."""
    tracker = Tracker()
    return [tracker.update(poses, time_s) for time_s, poses in frames]


def by_place(name: str, frames: Sequence[Timed], people: int, place: Callable[[int, Poses], int]) -> Outcome:
    """Where `place` tells, by the number of a frame and one of its poses, whose pose that is.

    People are to be seen from the frame where they are found first to that where they are last.
    """
    tracked = track(frames)
    found: list[list[tuple[int, int]]] = [[] for _ in range(people)]  # frame, id
    for number, poses in enumerate(tracked):
        for person in poses:
            found[place(number, person)].append((number, _ids(person)[0]))
    return Outcome(name, _given(tracked), [list(_in_every_frame(each)) for each in found])


def _in_every_frame(found: Sequence[tuple[int, int]]) -> Iterator[int | None]:
    """The ids, and None for each frame between two of them that has none."""
    before = None
    for number, identity in found:
        if before is not None:
            yield from [None] * (number - before - 1)
        yield identity
        before = number


def on_treadmills(_: int, person: Poses) -> int:
    """Whose treadmill the pose is on."""
    return bisect(TREADMILLS, float(np.median(person.xy[0, :, 0])))


def one_by_one(number: int, _: Poses) -> int:
    """Whose turn it is."""
    return bisect(EMPTY, number)


def crossing(
    composite: Composite, scenes: Sequence[Scene], frames: Sequence[Timed], estimator: Callable[..., Poses]
) -> Outcome:
    """Where the truth is what the network sees of each person alone, at the place where they were put."""
    truth = [
        [estimator(composite.alone(person, cut_out))[:1] for cut_out in range(len(composite.people[person]))]
        for person in range(2)
    ]
    tracked = track(frames)
    people: list[list[int | None]] = [[], []]
    for scene, poses in zip(scenes, tracked, strict=True):
        similarity = np.zeros((2, len(poses)))
        for person, shown in enumerate(scene.people):
            for alone in truth[person][shown.cut_out]:
                similarity[person] = object_keypoint_similarity(alone.xy[0] + np.float32((shown.moved, 0)), poses.xy)
        rows, columns = linear_sum_assignment(similarity, maximize=True)
        matched = {
            int(row): int(_ids(poses)[column])
            for row, column in zip(rows, columns, strict=True)
            if similarity[row, column] >= MATCHED
        }
        for person, shown in enumerate(scene.people):
            if shown.visible >= TO_BE_SEEN:
                people[person].append(matched.get(person))
    return Outcome(f"composite of {' and '.join(walker.name for walker in WALKERS)}", _given(tracked), people)


def _ids(poses: Poses) -> Sequence[int]:
    assert poses.ids is not None
    return poses.ids.tolist()


def _given(tracked: Sequence[Poses]) -> frozenset[int]:
    return frozenset(identity for poses in tracked for identity in _ids(poses))


def outcomes(videos: Path, estimator: Estimator) -> Iterator[Outcome]:
    """Of the three videos, the first two in this folder."""
    treadmills, walkers = videos / "humans_mot.mp4", videos / "one-by-one-person-detection.mp4"
    yield by_place(treadmills.name, list(poses_of_video(treadmills, estimator)), len(TREADMILLS) + 1, on_treadmills)
    yield by_place(walkers.name, list(poses_of_video(walkers, estimator)), len(EMPTY) + 1, one_by_one)
    composite = make_composite(walkers)
    scenes, frames = [], []
    for scene in composite.scenes():
        scenes.append(Scene(scene.time_s, composite.room, scene.people))  # without its picture: there are many
        frames.append((scene.time_s, estimator(scene.image)))
    yield crossing(composite, scenes, frames, estimator)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, help="the folder with the first two videos")
    asked = parser.parse_args(arguments)
    right = []
    for outcome in outcomes(asked.videos, load_estimator()):
        print(outcome, flush=True)
        right.append(outcome.is_right)
    return 0 if all(right) else 1


if __name__ == "__main__":
    raise SystemExit(main())
