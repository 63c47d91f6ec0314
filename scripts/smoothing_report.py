#!/usr/bin/env python3
"""Measure what smoothing does: how much trembling it takes away, and how late it makes what moves.

    python scripts/smoothing_report.py ../shared/videos/wave.mp4 ../shared/videos/pose_squats.mp4

Prints, for each video, the jitter of the joints that are still, as the network finds them and smoothed; then, for
made-up motions of known truth with the noise that was found in the video, how late and how far off the joints are.
Exit code 1 where the jitter is cut by less than 60 % in every video, or any motion comes more than 40 ms later. (Where
frames are 200 ms apart, as in pose_squats.mp4, what smooths more comes later than that.)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecli.estimate import load_estimator
from posecli.options import EstimatorOptions
from posecli.poses import Poses
from posecli.skeleton import NUM_PARTS
from posecli.smoothing import Smoother
from posecli.tracking import UPRIGHT, Tracker, body_size
from video_poses import Timed, poses_of_video

LEAST_CUT = 0.6  # of the jitter
MOST_LAG_S = 0.04
STILL_PX = 2.0  # what moves less over a second is still
STILL_S = 1.0
SEEN = EstimatorOptions().min_part_score
SYNTHETIC_S, WARM_UP_S = 12.0, 1.0
LAGS_S = np.arange(-0.1, 0.4, 0.001)

# How far a part has moved, in sizes of the person (about metres), at times t in s.
Motion = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _raise(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half a size up within 0.6 s, as smoothly as arms move (least jerk), and down again; 1 s of rest between."""
    phase = t % 3.2

    def least_jerk(x: NDArray[np.float64]) -> NDArray[np.float64]:
        x = np.clip(x, 0.0, 1.0)
        return x**3 * (10 - 15 * x + 6 * x**2)

    return 0.5 * (least_jerk(phase / 0.6) - least_jerk((phase - 1.6) / 0.6))


MOTIONS: Mapping[str, Motion] = {
    "waving, once a second, 0.4 sizes from side to side": lambda t: 0.2 * np.sin(2 * np.pi * t),
    "waving, twice a second, 0.4 sizes from side to side": lambda t: 0.2 * np.sin(4 * np.pi * t),
    "raising a hand by half a size in 0.6 s": _raise,
    "squatting, 0.5 sizes down and up in 3 s": lambda t: 0.25 * np.sin(2 * np.pi * t / 3),
    "walking, 1.4 sizes a second": lambda t: 1.4 * t,
    "moving slowly, 0.2 sizes a second": lambda t: 0.2 * t,
}


@dataclass(frozen=True, slots=True)
class Joints:
    """One person over the F frames of a video: what was found, and what smoothing made of it."""

    times: NDArray[np.float64]  # (F,) s
    raw: NDArray[np.float64]  # (F, 17, 2) px; NaN where a joint was not seen
    smooth: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Noise:
    """How joints that are still tremble: a first-order process, sample by sample."""

    deviation_px: float
    memory: float  # correlation of one frame with the next
    size_px: float  # of the person
    step_s: float  # between frames

    def sample(self, frames: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """That trembling, (frames, 17, 2) px."""
        fresh = rng.normal(0, self.deviation_px, (frames, NUM_PARTS, 2))
        noise = fresh.copy()
        for i in range(1, frames):
            noise[i] = self.memory * noise[i - 1] + np.sqrt(1 - self.memory**2) * fresh[i]
        return noise


@dataclass(frozen=True, slots=True)
class Lag:
    """How well a motion is followed, unsmoothed and smoothed."""

    motion: str
    late_s: tuple[float, float]
    error_px: tuple[float, float]  # root mean square distance from the truth

    @property
    def added_s(self) -> float:
        """What smoothing adds."""
        return self.late_s[1] - self.late_s[0]


def follow(frames: Sequence[Timed]) -> list[Joints]:
    """Everybody in a video, tracked and smoothed, who is longest seen first."""
    tracker, smoother = Tracker(), Smoother()
    tracked = [(time_s, tracker.update(poses, time_s)) for time_s, poses in frames]
    smoothed = [smoother.update(poses, time_s) for time_s, poses in tracked]
    ids = np.concatenate([_ids(poses) for _, poses in tracked])
    identities, counts = np.unique(ids, return_counts=True)
    times = np.array([time_s for time_s, _ in frames])
    return [
        Joints(
            times,
            np.stack([_joints(poses, identity) for _, poses in tracked]),
            np.stack([_joints(poses, identity) for poses in smoothed]),
        )
        for identity in identities[np.argsort(-counts, kind="stable")]
    ]


def _ids(poses: Poses) -> NDArray[np.int64]:
    assert poses.ids is not None
    return poses.ids


def _joints(poses: Poses, identity: int) -> NDArray[np.float64]:
    """The joints (17, 2) of that person that are seen, NaN elsewhere."""
    found = np.full((NUM_PARTS, 2), np.nan)
    for person in poses[_ids(poses) == identity]:
        seen = person.part_scores[0] >= SEEN
        found[seen] = person.xy[0, seen]
    return found


def still(joints: Joints) -> NDArray[np.bool_]:
    """The middles (F, 17) of three frames within a second over which the raw joint moves less than STILL_PX."""
    mark = np.zeros(joints.raw.shape[:2], np.bool_)
    for time_s in joints.times:
        window = (joints.times >= time_s) & (joints.times <= time_s + STILL_S)
        if joints.times[-1] < time_s + STILL_S or window.sum() < 3:
            break
        raw = joints.raw[window]  # (W, 17, 2)
        moved = np.linalg.norm(raw - raw[:1], axis=-1).max(axis=0)  # NaN where it was not always seen
        mark[np.flatnonzero(window)[1:-1]] |= moved < STILL_PX
    return mark


def jitter(xy: NDArray[np.float64], where: NDArray[np.bool_]) -> float:
    """Mean second difference in px of joints (F, 17, 2) at the marked frames and joints (F, 17)."""
    second = np.linalg.norm(xy[2:] - 2 * xy[1:-1] + xy[:-2], axis=-1)
    return float(np.nanmean(second[where[1:-1]]))


def noise_of(joints: Joints, where: NDArray[np.bool_]) -> Noise:
    """The trembling of the joints that are still; their true place is taken to be the mean over half a second."""
    step_s = float(np.median(np.diff(joints.times)))
    reach = max(1, round(0.25 / step_s))
    residuals, pairs = [], []
    for i in range(reach, len(joints.times) - reach - 1):
        parts = where[i] & where[i + 1]
        near = joints.raw[i - reach : i + reach + 2, parts]
        now, then = (joints.raw[k, parts] - near.mean(axis=0) for k in (i, i + 1))
        residuals.append(now)
        pairs.append((now * then).ravel())
    squares = np.concatenate(residuals).ravel() ** 2
    sizes = [body_size(xy, np.isfinite(xy).all(axis=1)) for xy in joints.raw]
    memory = float(np.nanmean(np.concatenate(pairs)) / np.nanmean(squares))
    return Noise(float(np.sqrt(np.nanmean(squares))), float(np.clip(memory, 0, 0.95)), float(np.median(sizes)), step_s)


def measure_lag(motion: str, noise: Noise) -> Lag:
    """Follow a person who moves like that, trembling as in the video."""
    rng = np.random.default_rng(0)
    times = np.arange(0, SYNTHETIC_S, noise.step_s)
    truth = _truth(motion, times, noise.size_px)
    seen = truth + noise.sample(len(times), rng)
    smoother = Smoother()
    ones = np.ones((1, NUM_PARTS), np.float32)
    out = np.stack(
        [
            smoother.update(Poses(xy[None].astype(np.float32), ones, ones[:, 0], np.array([1])), time_s).xy[0]
            for time_s, xy in zip(times, seen, strict=True)
        ]
    )
    settled = times >= WARM_UP_S
    late, errors = [], []
    for xy in (seen, out):
        misfit = [
            ((xy - _truth(motion, times - lag, noise.size_px))[settled] ** 2).sum(axis=-1).mean() for lag in LAGS_S
        ]
        late.append(float(LAGS_S[int(np.argmin(misfit))]))
        errors.append(float(np.sqrt(((xy - truth)[settled] ** 2).sum(axis=-1).mean())))
    return Lag(motion, (late[0], late[1]), (errors[0], errors[1]))


def _truth(motion: str, times: NDArray[np.float64], size_px: float) -> NDArray[np.float64]:
    """Where the joints really are, (F, 17, 2): all move alike, along x."""
    moved = MOTIONS[motion](times)
    return size_px * (UPRIGHT + np.stack([moved, np.zeros_like(moved)], axis=1)[:, None])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be judged of one video."""

    cut: float  # share of the jitter that smoothing takes away; 0 where nothing is still
    added_s: float  # the longest lag that it adds


def report(name: str, frames: Sequence[Timed]) -> Verdict:
    """Print the figures of one video."""
    joints = follow(frames)[0]
    where = still(joints)
    print(f"{name}: {len(frames)} frames; still joints: {where.any(axis=0).sum()}, in {where.sum()} places")
    if not where.any():
        print("  nothing is still for a second; neither jitter nor noise can be told")
        return Verdict(0.0, 0.0)
    raw, smooth = jitter(joints.raw, where), jitter(joints.smooth, where)
    cut = 1 - smooth / raw
    print(f"  jitter, mean second difference: {raw:.3f} px unsmoothed, {smooth:.3f} px smoothed: cut by {cut:.0%}")
    noise = noise_of(joints, where)
    print(
        f"  noise {noise.deviation_px:.2f} px, {noise.memory:.2f} of it again in the next frame; "
        f"size {noise.size_px:.0f} px, {1 / noise.step_s:.1f} frames/s"
    )
    lags = [measure_lag(motion, noise) for motion in MOTIONS]
    print(f"  {'motion':<54}{'late, ms':>18}{'added':>8}{'error, px':>18}")
    for lag in lags:
        late = " -> ".join(f"{1000 * each:.0f}" for each in lag.late_s)
        error = " -> ".join(f"{each:.1f}" for each in lag.error_px)
        print(f"  {lag.motion:<54}{late:>18}{1000 * lag.added_s:>8.0f}{error:>18}")
    return Verdict(cut, max(lag.added_s for lag in lags))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path, help="with a person who is still at times")
    asked = parser.parse_args(arguments)
    estimator = load_estimator()
    verdicts = [report(video.name, list(poses_of_video(video, estimator))) for video in asked.videos]
    cut, added_s = max(verdict.cut for verdict in verdicts), max(verdict.added_s for verdict in verdicts)
    good = cut >= LEAST_CUT and added_s <= MOST_LAG_S + 1e-9
    print(
        f"{'met' if good else 'MISSED'}: jitter cut by {cut:.0%} at best (at least {LEAST_CUT:.0%}), "
        f"{1000 * added_s:.0f} ms later at worst (at most {1000 * MOST_LAG_S:.0f} ms)"
    )
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
