"""Who is who from frame to frame: people get ids that stay, through short occlusions and crossings.

A track is what is known of one person: the pose as last seen, and how the body as a whole moves, held by a Kalman
filter of constant velocity (white acceleration), in time and in units of the person's size, so that neither the frame
rate nor the distance from the camera matters. For each frame:

1. Each track is led on to the frame's time: its pose moves with the body, and the filter says how sure of that it is.
2. Each pose is compared with each track, by the parts that both are sure of, as named and with left and right changing
   places: seen from behind, people are often taken for seen from the front, and back. That is OKS, where what the
   filter is unsure of adds to the distance that is forgiven. A pair that agrees less than SIMILAR is none.
3. Pairs are chosen so that the sum of their worth is the largest (SciPy's assignment). Worth is the similarity, as a
   density: a track that has been out of sight forgives much and would else take the pose of one that is there.
   In this order, much as ByteTrack does: sure poses with known tracks; what is left, however doubtful, with known
   tracks that were there a moment ago; with tracks that are still new; and echoes, if at all, with what known tracks
   then remain. So nobody loses an id to a pose that appears for a frame beside it.
4. A pose that has no track begins one, with a new id. A track that nobody was seen of for too long ends.

An echo is a pose most of whose parts lie on those of a better pose in the same frame: the decoder has found a person
twice, or taken the limbs of whoever is in front for those of somebody hidden behind. One that no known track continues
is dropped, and the parts that it shares never say where anybody is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from posecli.oks import FALLOFFS
from posecli.poses import Poses
from posecli.skeleton import NUM_PARTS, PART_INDEX, PART_MIRROR

SEEN = 0.2  # score from which a part counts
SURE = 0.45  # score from which a pose may take the id of a person who has been out of sight
SIMILAR = 0.15  # OKS, widened by what the filter is unsure of
CLAIMED = 0.5  # OKS of a single part from which it is taken to be that of a better pose
OWN_SHARE = 0.5  # of its parts, that a pose must not share with better ones to be somebody new
KNOWN_AFTER = 3  # frames a person is seen in until a track of theirs is known
KEPT_S, NEW_KEPT_S = 1.5, 0.5  # s out of sight after which a track ends: known, and new
KEPT_FRAMES = 2  # frames out of sight that any track outlasts: of one frame in a second, say
LONGEST_S = 60.0  # s between two frames, after which nobody is known any more
RECENT_S = 0.5  # s out of sight up to which a doubtful pose may continue a track
PART_MEMORY_S = 0.5  # s, in which what is known of a hidden part fades to 1/e
SIZE_MEMORY_S = 0.5  # s, in which a person's size follows what is seen
SHORTEST = 0.3  # sizes: of what is seen, to tell a size by

# Of the Kalman filter, in sizes of the person: a size is about a metre.
PLACE_ERROR = 0.05  # sizes: standard deviation of where a pose says that a body is
FIRST_SPEED = 1.5  # sizes / s: that of somebody just seen, standard deviation
ACCELERATION = 1.0  # sizes / s^2, times root of s: walking people turn and stop

MIRROR = np.array(PART_MIRROR)
LIMBS = [PART_INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("elbow", "wrist", "knee", "ankle")]
STEADINESS = np.ones(NUM_PARTS)  # (17,): how much a part says of where the body is
STEADINESS[LIMBS] = 0.1  # they swing


# (17, 2) x and y, in sizes, of somebody upright, seen from the front.
UPRIGHT = np.array(
    [
        *[(0, -0.8), (0.03, -0.84), (-0.03, -0.84), (0.08, -0.82), (-0.08, -0.82)],  # face
        *[(0.18, -0.55), (-0.18, -0.55), (0.24, -0.28), (-0.24, -0.28), (0.26, -0.02), (-0.26, -0.02)],  # arms
        *[(0.11, 0), (-0.11, 0), (0.12, 0.4), (-0.12, 0.4), (0.12, 0.8), (-0.12, 0.8)],  # legs
    ]
)


class Tracker:
    """Gives the people of one video ids, from 1, in the order of its frames."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._time_s: float | None = None

    def update(self, poses: Poses, time_s: float) -> Poses:
        """The same people in the same order with their ids, less echoes; `time_s` is that of their frame.

        A time before that of the last frame counts as the same.
        """
        passed_s = 0.0 if self._time_s is None else max(time_s - self._time_s, 0.0)
        self._time_s = time_s if self._time_s is None else max(time_s, self._time_s)
        if passed_s > LONGEST_S:
            self._tracks = []
        for track in self._tracks:
            track.advance(passed_s)
        if len(poses) > 1:
            _expect_crossings()
        weights, shares = own_parts(poses)
        owners = self._match(poses, weights, shares)
        for person in _by_score(poses):
            if person in owners:
                owners[person].see(poses.xy[person], weights[person])
            elif shares[person] >= OWN_SHARE:
                owners[person] = _Track(self._next_id, poses.xy[person], weights[person])
                self._tracks.append(owners[person])
                self._next_id += 1
        self._tracks = [track for track in self._tracks if track.lives]
        people = sorted(owners)
        kept = poses if len(people) == len(poses) else poses[np.array(people, np.int64)]
        return replace(kept, ids=np.array([owners[person].id for person in people], np.int64))

    def _match(self, poses: Poses, weights: NDArray[np.float64], shares: NDArray[np.float64]) -> dict[int, _Track]:
        """The track of each person, by index, who has one."""
        known = [track for track in self._tracks if track.is_known]
        recent = [track for track in known if track.is_recent]
        new = [track for track in self._tracks if not track.is_known]
        sure, whole = poses.scores >= SURE, shares >= OWN_SHARE
        owners: dict[int, _Track] = {}
        for tracks, wanted in ((known, sure & whole), (recent, whole), (new, whole), (recent, ~whole)):
            taken = {track.id for track in owners.values()}
            free = [track for track in tracks if track.id not in taken]
            people = [person for person in np.flatnonzero(wanted).tolist() if person not in owners]
            owners |= _assign(free, people, poses.xy, weights)
        return owners


class _Track:
    """What is known of one person, led on to the time of the current frame."""

    def __init__(self, identity: int, xy: NDArray[np.float32], weights: NDArray[np.float64]) -> None:
        self.id = identity
        self.xy = np.where(weights[:, None] > 0, xy, 0.0)  # (17, 2) px; where never seen, anything finite
        self.weights = weights  # (17,) in [0, 1]: how sure each part is
        self.size = body_size(self.xy, weights > 0)  # px
        self.velocity = np.zeros(2)  # px / s, of the body
        self.covariance = np.diag([PLACE_ERROR**2, FIRST_SPEED**2])  # of place and velocity on either axis, in sizes
        self.seen_in = 1  # frames
        self.unseen_frames = 0
        self.unseen_s = 0.0  # since it was last seen
        self._passed_s = 0.0  # between the last two frames

    @property
    def is_known(self) -> bool:
        """Whether this is somebody, rather than a pose that came for a moment."""
        return self.seen_in >= KNOWN_AFTER

    @property
    def is_recent(self) -> bool:
        """Whether it was there a moment ago."""
        return self.unseen_frames <= KEPT_FRAMES or self.unseen_s <= RECENT_S

    @property
    def lives(self) -> bool:
        """Whether it may still be seen again."""
        return self.unseen_frames <= KEPT_FRAMES or self.unseen_s <= (KEPT_S if self.is_known else NEW_KEPT_S)

    def advance(self, passed_s: float) -> None:
        """Lead it on by a time: the Kalman filter's prediction.

        Nobody is looked for further away than KEPT_S allows: over a longer gap, only who stayed is known again.
        """
        led_s = min(passed_s, KEPT_S)
        self.xy = self.xy + self.velocity * led_s
        step = np.array([[1.0, led_s], [0.0, 1.0]])
        noise = np.array([[led_s**3 / 3, led_s**2 / 2], [led_s**2 / 2, led_s]])
        self.covariance = step @ self.covariance @ step.T + ACCELERATION**2 * noise
        self.weights = self.weights * np.exp(-passed_s / PART_MEMORY_S)
        self.unseen_frames += 1
        self.unseen_s += passed_s
        self._passed_s = passed_s

    def see(self, xy: NDArray[np.float32], weights: NDArray[np.float64]) -> None:
        """Take up where the person is seen: the Kalman filter's correction."""
        seen = weights > 0
        trust = np.sqrt(weights * self.weights) * STEADINESS
        if trust.sum() > 0:
            error = np.where(seen[:, None], xy - self.xy, 0.0)  # (17, 2); what is not seen may not be finite
            moved = trust @ error / trust.sum()  # (2,) px: how far the body is from where it was expected
            gain = self.covariance[:, 0] / (self.covariance[0, 0] + PLACE_ERROR**2)  # (2,): place, velocity
            self.velocity = self.velocity + gain[1] * moved
            self.covariance = self.covariance - np.outer(gain, self.covariance[0])
            self.xy = self.xy + gain[0] * moved  # parts that are not seen go with the body
        self.xy[seen] = xy[seen]
        self.weights = np.maximum(self.weights, weights)
        self.weights[seen] = weights[seen]
        if seen.any():
            follow = 1 - np.exp(-self._passed_s / SIZE_MEMORY_S)
            self.size += follow * (body_size(self.xy, self.weights > SEEN / 2) - self.size)
        self.seen_in += 1
        self.unseen_frames = 0
        self.unseen_s = 0.0


@cache
def _expect_crossings() -> None:
    """Begin to load SciPy, on a thread: once two people come close, no frame is to wait for it."""
    Thread(target=import_module, args=("scipy.optimize",), name="posecli-scipy").start()


def own_parts(poses: Poses) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much each part counts, (N, 17), and what share of a person's parts is their own, (N,) in [0, 1].

    A part counts by its score; not at all where that is low, or where a better pose has the same part or its partner.
    """
    seen = np.isfinite(poses.xy).all(axis=2) & (poses.part_scores >= SEEN)
    scores = np.where(seen, np.minimum(poses.part_scores, 1.0), 0.0).astype(np.float64)
    xy = np.where(seen[..., None], poses.xy, np.nan).astype(np.float64)
    rank = np.empty(len(poses), np.int64)
    rank[_by_score(poses)] = np.arange(len(poses))
    sizes = np.array([body_size(*each) for each in zip(xy, seen, strict=True)])
    reach = sizes[:, None] * FALLOFFS * np.sqrt(-2 * np.log(CLAIMED))  # (N, 17) px
    claimed = np.zeros(seen.shape, np.bool_)
    for parts in (slice(None), MIRROR):
        squared = ((xy[:, None] - xy[:, parts]) ** 2).sum(axis=-1)  # (N, N, 17): each person and who may be better
        same = squared <= reach**2  # not where either part is not seen: NaN
        claimed |= (same & (rank[:, None] > rank)[..., None]).any(axis=1)
    weights = np.where(claimed, 0.0, scores)
    total = scores.sum(axis=1)
    return weights, np.divide(weights.sum(axis=1), total, out=np.ones_like(total), where=total > 0)


def body_size(xy: NDArray[np.floating], seen: NDArray[np.bool_]) -> float:
    """Size in px, about a metre, of the person with parts (17, 2), by those seen; at least 1, also where none is.

    It is told by how far the parts lie apart and would in somebody upright, so that of a person whose head and
    shoulders alone are seen it is about what it is of the whole.
    """
    if not seen.any():
        return 1.0
    diagonal, upright = (float(np.hypot(*np.ptp(each[seen], axis=0))) for each in (xy, UPRIGHT))
    return max(1.0, diagonal / max(upright, SHORTEST))


def _assign(
    tracks: Sequence[_Track], people: Sequence[int], xy: NDArray[np.float32], weights: NDArray[np.float64]
) -> dict[int, _Track]:
    """The pairs of people, indices into xy (N, 17, 2) and weights (N, 17), and tracks that are worth the most."""
    if not tracks or not people:
        return {}
    known_xy = np.where(weights[people, :, None] > 0, xy[people], 0.0).astype(np.float64)
    similarity, worth = _compare(tracks, known_xy, weights[people])
    may_be = similarity >= SIMILAR
    rows, columns = np.nonzero(may_be)
    if max(may_be.sum(axis=0).max(), may_be.sum(axis=1).max()) > 1:  # else there is nothing to choose
        from scipy.optimize import linear_sum_assignment  # here, as it takes half a second to load

        rows, columns = linear_sum_assignment(np.where(may_be, worth, 0.0), maximize=True)
    return {
        people[column]: tracks[row]
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if may_be[row, column]
    }


def _compare(
    tracks: Sequence[_Track], xy: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Similarity and worth, each (T, D), of T tracks with D poses at xy (D, 17, 2)."""
    expected = np.stack([track.xy for track in tracks])[:, None]  # (T, 1, 17, 2)
    areas = np.array([track.size**2 for track in tracks])[:, None, None]  # (T, 1, 1) px^2
    unsure = np.array([track.covariance[0, 0] for track in tracks])[:, None, None]  # in sizes, squared
    common = np.sqrt(np.stack([track.weights for track in tracks])[:, None] * weights)  # (T, D, 17)
    forgiven = FALLOFFS**2 + unsure + PLACE_ERROR**2  # (T, 1, 17) in sizes, squared
    total = np.maximum(common.sum(axis=-1), np.finfo(float).tiny)
    similarity, worth = np.zeros(total.shape), np.zeros(total.shape)
    for parts in (slice(None), MIRROR):
        squared = ((xy - expected[..., parts, :]) ** 2).sum(axis=-1)  # (T, D, 17) px^2
        agreement = common * np.exp(-squared / (2 * areas * forgiven))
        similarity = np.maximum(similarity, agreement.sum(axis=-1) / total)
        worth = np.maximum(worth, (agreement * FALLOFFS**2 / forgiven).sum(axis=-1) / total)
    return similarity, worth


def _by_score(poses: Poses) -> list[int]:
    """Indices of the people, best first, equal ones from left to right: the order they come in does not matter."""
    left = np.nan_to_num(poses.xy[:, 0, 0])
    return [int(person) for person in np.lexsort((left, -poses.scores))]
