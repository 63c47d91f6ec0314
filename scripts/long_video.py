"""Videos as long as a trial needs: one of its own, or any that is there, over and over."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from posecli.opencv import cv2
from posecli.sinks.encoding import VideoWriter
from posecli.sources import IMAGE_SUFFIXES

HW = (270, 480)  # px, of a composed video
FPS = 25
SHOT = 15  # frames in which each photo is passed over


def compose(photos: Path, path: Path) -> int:
    """Make a video that passes over each photo of a folder in turn, as a camera does; the number of its photos.

    Raises ValueError where there are none.
    """
    found = sorted(each for each in photos.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise ValueError(f"{photos}: no photos there")
    shots = (picture for photo in found for picture in _pass_over(photo))
    with VideoWriter(path, HW, time_base=Fraction(1, FPS), fps=FPS) as writer:
        for number, picture in enumerate(shots):
            writer.write(writer.prepare(picture), number / FPS)
    return len(found)


def _pass_over(photo: Path) -> Iterator[NDArray[np.uint8]]:
    """A photo as a camera sees it that moves from its top left to its bottom right."""
    image = cv2.cvtColor(cv2.imread(str(photo), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    height, width = HW
    scale = 1.15 * max(height / image.shape[0], width / image.shape[1])
    image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    for step in np.linspace(0, 1, SHOT):
        top, left = round(step * (image.shape[0] - height)), round(step * (image.shape[1] - width))
        yield image[top : top + height, left : left + width]


def loop(source: Path, path: Path, frames: int) -> int:
    """Write the pictures of a video over and over, until there are so many; the number that it has itself.

    Nothing is encoded anew. There is no sound.
    """
    with av.open(str(source)) as reading, av.open(str(path), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        packets = [(packet, packet.pts, packet.dts) for packet in reading.demux(video=0) if packet.dts is not None]
        first, last = packets[0][0], packets[-1][0]
        lasts = packets[-1][2] - packets[0][2] + (last.duration or first.duration or 1)  # ticks
        for number in range(frames):
            turn, place = divmod(number, len(packets))
            packet, pts, dts = packets[place]
            packet.pts, packet.dts, packet.stream = pts + turn * lasts, dts + turn * lasts, stream
            packet.time_base = reading.streams.video[0].time_base
            writing.mux(packet)
    return len(packets)
