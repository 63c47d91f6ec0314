"""Animated GIFs, for short clips: one palette for the whole file, made from all of its frames.

The palette is known only at the end, so the frames wait in a temporary file, not in memory.
"""

from __future__ import annotations

import math
import os
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from statistics import median_low
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from posecli.errors import PosecliWarning
from posecli.files import temporary_beside
from posecli.opencv import cv2
from posecli.pyav import av
from posecli.sinks.encoding import STEPS_REMEMBERED, video_error
from posecli.sinks.fitting import SQUARE, Image, letterboxed

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.filter.context import FilterContext
    from av.video.stream import VideoStream
    from typing_extensions import Self

LONGEST_SIDE = 640  # px; larger pictures are made smaller: a GIF of them would be too large to be of use
LEAST_DELAY = 2  # ticks; what is to be shown for less, browsers show for ten
LONG_S = 20.0
_TICK = Fraction(1, 100)  # s; GIF has no finer one
_SAMPLED_SIDE = 160  # px: the palette is made from every so-manieth pixel
_DITHERED = "dither=bayer:bayer_scale=4:diff_mode=rectangle"  # a pattern that stays where it is compresses


class GifWriter:
    """An animated GIF that repeats for ever, to be used as `VideoWriter` is: prepare, write, close.

    Frames keep their times to a hundredth of a second; one that comes sooner than two after the last is left out.
    `pixel_aspect` is the width by the height of a pixel of what is given; a GIF's are square.
    """

    def __init__(self, path: Path, hw: tuple[int, int], pixel_aspect: Fraction = SQUARE) -> None:
        self._path = path
        self._hw = _shrunk(hw, pixel_aspect)
        self._pixel_aspect = pixel_aspect
        self._target = Path(os.path.realpath(path))
        self._waiting = temporary_beside(self._target)  # its frames, until the palette is known
        self._spool: OutputContainer | None = None
        self._stream: VideoStream
        self._palette: av.filter.Graph
        self._start_s = 0.0
        self._last = -LEAST_DELAY  # ticks since then at which the last frame came
        self._steps: deque[int] = deque(maxlen=STEPS_REMEMBERED)  # ticks between frames

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def prepare(self, image: Image) -> av.VideoFrame:
        """Turn (H, W, 3) RGB into what is to be written. On any thread."""
        return to_small(image, self._pixel_aspect)

    def write(self, prepared: av.VideoFrame, time_s: float) -> None:
        """Add the next frame, which comes at `time_s`. Raises OutputError where that cannot be."""
        try:
            if self._spool is None:
                self._open(time_s)
            ticks = round((time_s - self._start_s) / _TICK)
            if ticks < self._last + LEAST_DELAY:
                return
            if self._last >= 0:
                self._steps.append(ticks - self._last)
            if self._last * _TICK < LONG_S <= ticks * _TICK:
                text = f"{self._path}: GIFs are for short clips, this one is large; use --duration, or --codec h264"
                warnings.warn(PosecliWarning(text), stacklevel=2)
            self._last = ticks
            self._add(prepared, ticks)
        except (av.error.FFmpegError, OSError) as error:
            self._abandon()
            raise video_error(self._path, error) from error

    def close(self) -> None:
        """Make the file. Raises OutputError where that fails."""
        spool, self._spool = self._spool, None
        if spool is None:
            return
        place = temporary_beside(self._target)
        try:
            spool.mux(self._stream.encode(None))
            spool.close()
            self._convert(place)
            place.replace(self._target)
        except (av.error.FFmpegError, OSError) as error:
            raise video_error(self._path, error) from error
        finally:
            place.unlink(missing_ok=True)
            self._waiting.unlink(missing_ok=True)

    def _open(self, time_s: float) -> None:
        self._start_s = time_s
        self._target.parent.mkdir(parents=True, exist_ok=True)
        height, width = self._hw
        self._spool = av.open(str(self._waiting), "w", format="nut")
        self._stream = self._spool.add_stream("ffv1", rate=round(1 / _TICK), width=width, height=height)
        self._stream.pix_fmt = "bgr0"  # without loss
        self._stream.codec_context.time_base = _TICK
        sampled = _sampled(np.empty((*self._hw, 3), np.uint8)).shape
        self._palette = av.filter.Graph()
        self._palette.link_nodes(
            self._palette.add("buffer", _buffer("rgb24", sampled)),
            self._palette.add("palettegen"),
            self._palette.add("buffersink"),
        ).configure()

    def _add(self, prepared: av.VideoFrame, ticks: int) -> None:
        assert self._spool is not None  # open
        image = np.asarray(prepared.to_ndarray(format="rgb24"), np.uint8)
        if image.shape[:2] != self._hw:
            image = letterboxed(image, self._hw)
            prepared = av.VideoFrame.from_ndarray(image, format="rgb24")
        sample = av.VideoFrame.from_ndarray(np.ascontiguousarray(_sampled(image)), format="rgb24")
        for frame in (prepared, sample):
            frame.pts, frame.time_base = ticks, _TICK
        self._palette.push(sample)
        self._spool.mux(self._stream.encode(prepared))

    def _convert(self, place: Path) -> None:
        """Read what waits, map its colours to the palette, and write the GIF."""
        lasting = median_low(self._steps) if self._steps else round(Fraction(1, 25) / _TICK)
        options = {"loop": "0", "final_delay": str(lasting)}
        with (
            av.open(str(self._waiting)) as waiting,
            av.open(str(place), "w", format="gif", container_options=options) as output,
        ):
            stream = output.add_stream("gif", rate=round(1 / _TICK), width=self._hw[1], height=self._hw[0])
            stream.pix_fmt = "pal8"
            stream.codec_context.time_base = _TICK
            for frame in self._mapped(_timed(waiting.decode(video=0))):
                frame.pict_type = 0  # the encoder's choice
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))

    def _mapped(self, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Each frame in the colours of the palette."""
        self._palette.push(None)
        palette = self._palette.vpull()
        graph = av.filter.Graph()
        pictures = graph.add("buffer", _buffer("bgr0", self._hw))
        colours = graph.add("buffer", _buffer("bgra", (palette.height, palette.width)))
        mapping, sink = graph.add("paletteuse", _DITHERED), graph.add("buffersink")
        pictures.link_to(mapping, 0, 0)
        colours.link_to(mapping, 0, 1)
        mapping.link_to(sink)
        graph.configure()
        colours.push(palette)
        colours.push(None)
        for frame in frames:
            pictures.push(frame)
            yield from _pulled(sink)
        pictures.push(None)
        yield from _pulled(sink)

    def _abandon(self) -> None:
        """Give up after an error: nothing is left."""
        spool, self._spool = self._spool, None
        with suppress(av.error.FFmpegError, OSError):
            if spool is not None:
                spool.close()
        with suppress(OSError):
            self._waiting.unlink()


def to_small(image: Image, pixel_aspect: Fraction = SQUARE) -> av.VideoFrame:
    """Turn (H, W, 3) RGB into a frame of at most LONGEST_SIDE px, which are square."""
    height, width = _shrunk(image.shape[:2], pixel_aspect)
    if (height, width) != image.shape[:2]:
        how = cv2.INTER_AREA if height * width < image.shape[0] * image.shape[1] else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")


def _shrunk(hw: tuple[int, ...], pixel_aspect: Fraction) -> tuple[int, int]:
    height, width = float(hw[0]), float(hw[1] * pixel_aspect)
    scale = min(LONGEST_SIDE / max(height, width), 1.0)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def _sampled(image: Image) -> Image:
    step = math.ceil(max(image.shape[:2]) / _SAMPLED_SIDE)
    return image[::step, ::step]


def _buffer(pix_fmt: str, hw: tuple[int, ...]) -> str:
    """What a filter graph is told of the frames that it is given."""
    return f"video_size={hw[1]}x{hw[0]}:pix_fmt={pix_fmt}:time_base={_TICK}:pixel_aspect=1/1"


def _timed(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Frames with their times in ticks, whatever the file that they waited in has made of them."""
    for frame in frames:
        frame.pts, frame.time_base = round(Fraction(frame.time) / _TICK), _TICK
        yield frame


def _pulled(sink: FilterContext) -> Iterator[av.VideoFrame]:
    """What has come through a filter graph."""
    while True:
        try:
            frame = sink.pull()
        except (BlockingIOError, EOFError):  # more is needed; that was all
            return
        assert isinstance(frame, av.VideoFrame)  # as what went in
        yield frame
