"""Parts that do not tremble: a One-Euro filter for each part of each person, and nothing that vanishes between frames.

The One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) is a low pass whose cutoff rises with speed: what is still is
smoothed much, where no lag can be seen, and what moves is smoothed little, where no trembling can. Here it runs in
time, so that frames may come when they like; speed is measured in sizes of the person, so that near and far people are
treated alike. The step of each low pass is the exact 1 - exp(-2 pi cutoff dt), and the speed of a part that has just
come is the mean of the few that are known, as a low pass from 0 would take it to be still.

Parts below the drawing threshold are where the network guesses, and jump. So a part that falls below stays where it
was, going with the body, and its score fades: a sure one is gone within FADE_S, one that was there for less in no more
time than it was there. Then it is what the network says again. A part that is found further than SNAP from where it was
is simply there: nothing glides across the picture. A person who is not found fades likewise, all parts at once, and is
gone once no part reaches the threshold.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from posecli.options import EstimatorOptions
from posecli.poses import Poses
from posecli.skeleton import NUM_PARTS
from posecli.tracking import body_size

LOWEST_CUTOFF = 0.7  # Hz, of what is still
CUTOFF_SLOPE = 15.0  # Hz for each size / s
SPEED_CUTOFF = 1.0  # Hz, of the low pass over the speed
SNAP = 0.25  # sizes
FADE_S = 0.2  # s, a blink
RESET_S = 0.5  # s between two frames of a person, after which nothing of the first is worth keeping
SIZE_MEMORY_S = 0.5  # s, in which a person's size follows what is seen
SHORTEST_S = 1e-3  # s between two frames: clocks may be coarse


class Smoother:
    """Smooths the people of one video, in the order of its frames. Parts below `min_part_score` are not drawn."""

    def __init__(self, min_part_score: float = EstimatorOptions().min_part_score) -> None:
        self._min_part_score = min_part_score
        self._people: dict[int, _Person] = {}

    def update(self, poses: Poses, time_s: float) -> Poses:
        """The same people in the same order, smoothed, and after them those who have just vanished and are fading.

        `time_s` is that of their frame. Raises ValueError where they have no ids.
        """
        if poses.ids is None:
            raise ValueError("smoothing needs poses with ids; track them first")
        people: dict[int, _Person] = {}
        for i, identity in enumerate(poses.ids.tolist()):
            person = self._people.pop(identity, None)
            if person is None or not person.continues(time_s):
                person = _Person(time_s)
            person.see(poses.xy[i], poses.part_scores[i], float(poses.scores[i]), time_s, self._min_part_score)
            people[identity] = person
        for identity, person in sorted(self._people.items()):
            if person.continues(time_s):
                person.miss(time_s, self._min_part_score)
                if person.live.any():
                    people[identity] = person
        self._people = people
        return _together(people) if people else poses


def _together(people: dict[int, _Person]) -> Poses:
    """The people as they are given out, by id."""
    return Poses(
        np.stack([person.xy for person in people.values()]).astype(np.float32),
        np.stack([person.part_scores for person in people.values()]).astype(np.float32),
        np.array([person.score for person in people.values()], np.float32),
        np.array(list(people), np.int64),
    )


class _Person:
    """One person as given out last, and what the filter keeps of each part."""

    def __init__(self, time_s: float) -> None:
        self.time_s = time_s
        self.xy = np.zeros((NUM_PARTS, 2))  # px
        self.part_scores = np.zeros(NUM_PARTS)
        self.score = 0.0
        self.live = np.zeros(NUM_PARTS, np.bool_)  # what is filtered: what is seen, and what fades
        self._unfiltered = np.zeros((NUM_PARTS, 2))  # px: the network's word, where it was sure
        self._velocity = np.zeros((NUM_PARTS, 2))  # px / s
        self._size = 0.0  # px; 0: not known yet
        self._since = np.zeros(NUM_PARTS)  # s: when each part came
        self._seen_at = np.zeros(NUM_PARTS)  # s: when it was seen last, and with which score
        self._seen_as = np.zeros(NUM_PARTS)
        self._found_as = 0.0  # score, where it was found last

    def continues(self, time_s: float) -> bool:
        """Whether a frame of that time goes on from the last; where it does not, the video has jumped."""
        return 0 <= time_s - self.time_s <= RESET_S

    def see(
        self, xy: NDArray[np.float32], part_scores: NDArray[np.float32], score: float, time_s: float, threshold: float
    ) -> None:
        """Take up what was found in a frame: parts (17, 2) in px, their scores (17,), and the pose's."""
        seen = np.isfinite(xy).all(axis=1) & (part_scores >= threshold)
        self._take(xy.astype(np.float64), part_scores, seen, time_s, threshold)
        self.score = self._found_as = score

    def miss(self, time_s: float, threshold: float) -> None:
        """Take up that nobody was found: every part fades, and so does the pose."""
        self._take(self.xy.copy(), np.zeros(NUM_PARTS, np.float32), np.zeros(NUM_PARTS, np.bool_), time_s, threshold)
        self.score = self._found_as * float(self._left(time_s).max(where=self.live, initial=0.0))

    def _take(
        self,
        xy: NDArray[np.float64],
        part_scores: NDArray[np.float32],
        seen: NDArray[np.bool_],
        time_s: float,
        threshold: float,
    ) -> None:
        """Move to where parts are `seen` (17,), let those fade that were and are not, take the rest as it is."""
        step_s = max(time_s - self.time_s, SHORTEST_S)
        moved = self._filter(seen & self.live, xy, step_s, time_s)
        hidden = self.live & ~seen
        self.xy[hidden] += moved
        self._seen_at[seen] = time_s
        self._seen_as[seen] = part_scores[seen]
        faded = self._seen_as * self._left(time_s)
        hidden &= (faded >= threshold) & (faded > 0)
        fresh = ~(self.live & (seen | hidden))
        self.xy[fresh] = xy[fresh]
        self._velocity[fresh] = moved / step_s
        self._since[fresh] = time_s - step_s  # it may have come right after the last frame
        self.live = seen | hidden
        self.part_scores = np.where(hidden, faded, part_scores)
        self._unfiltered = np.where(seen[:, None], xy, self.xy)
        self._measure(step_s)
        self.time_s = time_s

    def _filter(
        self, parts: NDArray[np.bool_], xy: NDArray[np.float64], step_s: float, time_s: float
    ) -> NDArray[np.float64]:
        """Move `parts` (17,) towards where they are found; returns how far the body has moved, (2,) px."""
        if not parts.any():
            return np.median(self._velocity[self.live], axis=0) * step_s if self.live.any() else np.zeros(2)
        before = self.xy[parts]
        known_s = np.maximum(time_s - self._since[parts] - step_s, step_s)[:, None]
        slow = np.maximum(_share(SPEED_CUTOFF, step_s), step_s / known_s)
        speeds = (xy[parts] - self._unfiltered[parts]) / step_s
        self._velocity[parts] += slow * (speeds - self._velocity[parts])
        cutoff = LOWEST_CUTOFF + CUTOFF_SLOPE * np.linalg.norm(self._velocity[parts], axis=1) / self._size
        gap = xy[parts] - before
        far = np.linalg.norm(gap, axis=1) > SNAP * self._size
        share = np.where(far, 1.0, _share(cutoff, step_s))
        self.xy[parts] += share[:, None] * gap
        return np.median(self.xy[parts] - before, axis=0)

    def _left(self, time_s: float) -> NDArray[np.float64]:
        """How much is left of each part since it was seen last, (17,): 1 at once, 0 once it has faded."""
        lasts_s = np.clip(self._seen_at - self._since, SHORTEST_S, FADE_S)
        return np.clip(1 - (time_s - self._seen_at) / lasts_s, 0.0, 1.0)

    def _measure(self, step_s: float) -> None:
        """Follow how large the person is."""
        if self.live.any():
            size = body_size(self.xy, self.live)
            follow = 1 - math.exp(-step_s / SIZE_MEMORY_S) if self._size else 1.0
            self._size += follow * (size - self._size)


def _share(cutoff: NDArray[np.float64] | float, step_s: float) -> NDArray[np.float64]:
    """How much of the way to its input a low pass of this cutoff, in Hz, goes in a step."""
    return 1 - np.exp(-2 * np.pi * np.asarray(cutoff) * step_s)
