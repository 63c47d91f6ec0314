"""What is taken of a video or a stream: its frames, each with its time and its number.

Decoding goes on only while frames are asked for, and as far as FFmpeg's threads are ahead. Where a file breaks off, or
frames of it are damaged, a failure comes after the frames that could be read.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from posecli.errors import InputError
from posecli.options import InputOptions
from posecli.pyav import av
from posecli.sources.cropping import Crop, check_crop, cropped
from posecli.sources.frames import Clip, Failure, Frame, Reader
from posecli.sources.listing import Input
from posecli.sources.opening import OpenVideo, open_video
from posecli.sources.pixels import pixel_aspect, to_rgb, upright_hw
from posecli.sources.playback import Playback, Shown, time_base

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


def video_readers(entry: Input, taking: InputOptions) -> Generator[Reader, None, None]:
    """What makes the picture of each frame that is taken of a video, in order; the last may give a failure.

    The video is open from when the first is asked for until the iterator is exhausted or closed.
    """
    try:
        with open_video(entry.location) as video:
            yield from _readers(video, entry, taking)
    except InputError as error:
        yield partial(Failure, entry.name, entry.index, error)


def _readers(video: OpenVideo, entry: Input, taking: InputOptions) -> Iterator[Reader]:
    start = _exact(taking.start_s)
    end = None if taking.duration_s is None else start + _exact(taking.duration_s)
    playback = Playback(video, start)
    first, clip = 0, None
    for shown in playback:
        if end is not None and shown.time >= end:
            break
        if clip is None:
            first, clip = shown.number, _clip(video, entry, taking, shown)
        if (shown.number - first) % taking.every == 0:
            check_crop(taking.crop, upright_hw(shown.frame), video.shown)
            yield partial(_read, shown.frame, shown.number, float(shown.time), clip, taking.crop)
        del shown  # or its frame would outlive its use until the next is decoded
    else:
        playback.check_end()
    playback.check_damage()


def _read(frame: VideoFrame, number: int, time_s: float, clip: Clip, crop: Crop | None) -> Frame | Failure:
    """Make the picture of a frame. On any thread."""
    try:
        return Frame(cropped(to_rgb(frame), crop, clip.name), number, time_s, clip.name, clip)
    except (av.error.FFmpegError, MemoryError, ValueError) as error:
        why = f"frame {number} cannot be made a picture ({str(error) or 'no memory left'}); convert it to H.264 in MP4"
        return Failure(clip.name, number, InputError(f"{clip.name}: {why}"))


def _clip(video: OpenVideo, entry: Input, taking: InputOptions, first: Shown) -> Clip:
    first_s, rate = float(first.time), video.stream.average_rate or video.stream.guessed_rate
    return Clip(
        entry.name,
        entry.index,
        entry.location,
        time_base(video.stream),
        float(rate / taking.every) if rate else None,
        _length(video, taking, first_s, rate),
        first_s,
        video.has_audio,
        is_live=not video.is_file and video.length_s is None,
        pixel_aspect=pixel_aspect(video.stream, first.frame),
    )


def _length(video: OpenVideo, taking: InputOptions, first_s: float, rate: Fraction | None) -> int | None:
    """How many frames will be taken, as far as the container knows."""
    if video.stream.frames and not taking.start_s and taking.duration_s is None:
        return math.ceil(video.stream.frames / taking.every)
    if video.length_s is None or rate is None:
        return None
    left_s = max(video.length_s - first_s, 0.0)
    return math.ceil(round(min(left_s, taking.duration_s or math.inf) * rate) / taking.every)


def _exact(seconds: float) -> Fraction:
    """The number that was meant: 0.1 is one tenth, not the binary fraction nearest to it."""
    return Fraction(repr(seconds))
