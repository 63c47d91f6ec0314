"""What the frames of a video have to do with each other: who is who, and what trembles."""

from __future__ import annotations

from dataclasses import replace

from posecli.options import EstimatorOptions, FollowOptions
from posecli.poses import Poses
from posecli.smoothing import Smoother
from posecli.sources import Clip, Frame
from posecli.tracking import Tracker


class Follower:
    """Tracks and smooths the people of videos, one after another; to be called with the frames in their order.

    Each clip starts anew, with ids from 1. Photos pass unchanged. Smoothing needs tracking; where that was not asked
    for, the ids are taken off again.
    """

    def __init__(self, options: FollowOptions, min_part_score: float = EstimatorOptions().min_part_score) -> None:
        self._options = options
        self._min_part_score = min_part_score
        self._clip: Clip | None = None
        self._tracker = Tracker()
        self._smoother = Smoother(min_part_score)

    def __call__(self, frame: Frame, poses: Poses) -> Poses:
        """The people of a frame, with ids and smoothed, as the options say."""
        options = self._options
        if frame.clip is None or frame.time_s is None or not (options.track or options.smooth):
            return poses
        if frame.clip is not self._clip:
            self._clip = frame.clip
            self._tracker = Tracker()
            self._smoother = Smoother(self._min_part_score)
        poses = self._tracker.update(poses, frame.time_s)
        if options.smooth:
            poses = self._smoother.update(poses, frame.time_s)
        return poses if options.track else replace(poses, ids=None)
