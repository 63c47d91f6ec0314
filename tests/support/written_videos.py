"""Videos with sound for the tests of what is written, and a look into what was written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecli.pyav import av

RATE = 48000  # Hz
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Written:
    """What a player finds in a file."""

    hw: tuple[int, int]
    times: list[float]  # s, of its frames
    images: list[Image]
    length_s: float  # of the pictures
    whole_s: float  # of the file
    codec: str
    sound: str | None  # its codec


def look(path: Path) -> Written:
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        sound = file.streams.audio[0].codec_context.codec.canonical_name if file.streams.audio else None
        length_s = float(stream.duration * stream.time_base) if stream.duration else 0.0
        whole_s = (file.duration or 0) / av.time_base
        hw = stream.height, stream.width
        times, images = [], []
        for frame in file.decode(stream):
            times.append(float(frame.pts * frame.time_base))
            images.append(frame.to_ndarray(format="rgb24", src_colorspace="ITU709", dst_color_range="JPEG"))
        return Written(hw, times, images, length_s, whole_s, stream.codec_context.codec.canonical_name, sound)


def hear(path: Path) -> tuple[float, NDArray[np.float32]]:
    """When the sound begins, s after the first picture, and its samples at RATE, mono."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    start: float | None = None
    samples = []
    with av.open(str(path)) as file:
        origin = float((file.streams.video[0].start_time or 0) * file.streams.video[0].time_base)
        for frame in file.decode(audio=0):
            if start is None:
                start = float(frame.time) - origin
            samples += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        samples += [part.to_ndarray()[0] for part in resampler.resample(None)]
    assert start is not None
    return start, np.concatenate(samples)


def beeps(seconds: float, at: Sequence[float]) -> NDArray[np.float32]:
    """Silence with beeps of 0.1 s from the times in `at` on."""
    time = np.arange(round(seconds * RATE)) / RATE
    is_on = np.any([(time >= start) & (time < start + 0.1) for start in at], axis=0)
    return (0.5 * np.sin(2 * np.pi * 1000 * time) * is_on).astype(np.float32)


def onsets(start_s: float, samples: NDArray[np.float32]) -> list[float]:
    """When each beep begins."""
    loud = np.flatnonzero(np.abs(samples) > 0.1) / RATE + start_s
    return [float(loud[0]), *loud[1:][np.diff(loud) > 0.05].tolist()] if len(loud) else []


def make_source(
    path: Path,
    images: Iterable[Image],
    fps: int = 25,
    *,
    sound: NDArray[np.float32] | None = None,
    sound_codec: str = "aac",
) -> Path:
    """A video as others write them, with B-frames, and sound of RATE."""
    with av.open(str(path), "w") as output:
        stream = None
        track = None if sound is None else output.add_stream(sound_codec, rate=RATE, bit_rate=128_000)
        if track is not None:
            track.layout = "mono"
        for image in images:
            if stream is None:
                stream = output.add_stream("libx264", rate=fps, width=image.shape[1], height=image.shape[0])
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        assert stream is not None
        output.mux(stream.encode(None))
        if track is not None and sound is not None:
            chunk = track.codec_context.frame_size or 1024
            for first in range(0, len(sound), chunk):
                frame = av.AudioFrame.from_ndarray(sound[None, first : first + chunk], format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
                output.mux(track.encode(frame))
            output.mux(track.encode(None))
    return path


def flat(colour: int | tuple[int, int, int], hw: tuple[int, int] = (48, 64)) -> Image:
    return np.full((*hw, 3), colour, np.uint8)
