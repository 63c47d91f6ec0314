"""The people in a video, frame by frame, for scripts that measure what is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from posecli.estimate import Estimator
from posecli.poses import Poses
from posecli.sources import Failure, Frame, Inputs

Timed: TypeAlias = tuple[float, Poses]  # s from the start of the video, and who is there


def frames_of_video(path: Path) -> Iterator[Frame]:
    """The frames of a video. Raises PosecliError where one cannot be read."""
    with Inputs.from_inputs([str(path)]) as source:
        for item in source:
            if isinstance(item, Failure):
                raise item.error
            yield item


def poses_of_video(path: Path, estimator: Estimator) -> Iterator[Timed]:
    """Who is in each frame of a video."""
    for frame in frames_of_video(path):
        yield frame.time_s or 0.0, estimator(frame.image)
