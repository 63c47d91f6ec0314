"""Clips, their frames, and a sink for them: what the tests of sinks that write videos have in common."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from posecli.options import VideoOptions
from posecli.poses import Poses
from posecli.sinks.video import VideoSink
from posecli.sources import Clip, Frame
from written_videos import Image, flat


def clip(name: str = "a.mov", index: int = 0, **fields: Any) -> Clip:
    return Clip(
        name, index, **{"location": Path(name), "time_base": Fraction(1, 1000), "fps": 25.0, "length": None, **fields}
    )


def frames(of: Clip, count: int, start_s: float = 0.0) -> Iterator[Frame]:
    for number in range(count):
        yield Frame(flat(10 * number), number, start_s + number / 25, of.name, of)


def brighter(frame: Frame, poses: Poses) -> Image:
    return frame.image + np.uint8(50)


def video_sink(folder: Path, exists: Any = None, **options: Any) -> VideoSink:
    return VideoSink(folder, brighter, VideoOptions(**options), exists)
