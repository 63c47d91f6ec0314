"""Videos, encoded by FFmpeg: each frame at its own time, with the sound of another file beside them.

Frames keep the times of their source, to the tick of its time base, whether they come regularly or not. No codec here
makes B-frames: packets leave the encoder in the order in which they are shown, so that each one's duration is exact,
the last one's included, and a file that is cut off holds all frames up to the cut. That costs some bits, not quality.

A picture with an odd side is made even, as 4:2:0 needs it, by repeating its last row or column; nothing is rescaled.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from statistics import median_low
from types import TracebackType
from typing import TYPE_CHECKING

from posecli.errors import OutputError, PosecliWarning
from posecli.files import cannot_write, temporary_beside
from posecli.options import Codec, crf_of
from posecli.pyav import av
from posecli.sinks.base import FrameOutputError
from posecli.sinks.codecs import ENCODERS, check_codec, coarsened
from posecli.sinks.fitting import BT709, LIMITED_RANGE, SQUARE, Image, even, letterboxed, to_yuv
from posecli.sinks.sound import Sound, SoundError
from posecli.sources.pixels import to_rgb

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream
    from typing_extensions import Self

FALLBACK_FPS = 25  # where neither the source nor the frames tell
MOST_FPS = 240  # that AV1's encoder believes
KEYFRAME_S = 2.0  # at most so far apart, for players that seek
FRAGMENT_S = 1.0  # of a recording; what is lost at most when its program is killed
STEPS_REMEMBERED = 31  # between frames, of which the median is how long the last one lasts


class VideoWriter:
    """An MP4 file, of frames that are all `hw` (height, width) px; what differs is fitted in, between black bars.

    It is written under a temporary name and appears whole, with what was written so far, once it is closed, whatever
    ended the work; without a frame there is no file. With `fragmented`, for recordings, it grows in its own place
    instead, and can be played up to its last second even if the program is killed.

    `audio` is a file or an address whose first audio stream goes along, from the time of the first frame to the end of
    the last one; where that cannot be, the video has none, and a PosecliWarning says so. It does not go with
    `fragmented`. `pixel_aspect` is the width by the height of a pixel. `crf` is the codec's own measure of quality:
    lower is better. Raises UsageError where that is out of range, or where PyAV lacks the codec.
    """

    def __init__(
        self,
        path: Path,
        hw: tuple[int, int],
        *,
        time_base: Fraction,
        codec: Codec = "h264",
        crf: int | None = None,
        fps: float | None = None,
        fragmented: bool = False,
        audio: Path | str | None = None,
        pixel_aspect: Fraction = SQUARE,
    ) -> None:
        if fragmented and audio is not None:
            raise ValueError("audio: recordings have none")
        self._crf = crf_of(codec, crf)
        check_codec(codec)
        self._path, self._hw = path, hw
        self._encoder = ENCODERS[codec]
        self._time_base = coarsened(time_base, self._encoder.finest_tick)
        self._fps = fps
        self._is_fragmented = fragmented
        self._audio = audio
        self._pixel_aspect = pixel_aspect
        self._target = Path(os.path.realpath(path))  # behind a symbolic link: the link stays
        self._place = self._target if fragmented else temporary_beside(self._target)
        self._output: OutputContainer | None = None
        self._stream: VideoStream
        self._sound: Sound | None = None
        self._start = 0  # ticks of the time base at which the first frame came
        self._last = -1  # ticks since then at which the last frame came
        self._end = 0  # ticks since then at which the last frame in the file ends
        self._steps: deque[int] = deque(maxlen=STEPS_REMEMBERED)  # ticks between frames
        self._held: Packet[VideoStream] | None = None  # the newest: how long it lasts, the next one tells
        self._whole_bytes = 0  # of a recording: up to the end of its last whole fragment
        self._encoded: deque[list[Packet[VideoStream]]] = deque()  # what the encoder gave, call by call, not muxed yet
        self._is_torn = False  # an encoded frame may be lost; those after it could not be decoded

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def prepare(self, image: Image) -> av.VideoFrame:
        """Turn (H, W, 3) RGB into what the encoder takes. On any thread."""
        return to_yuv(image if image.shape[:2] == self._hw else letterboxed(image, self._hw))

    def write(self, prepared: av.VideoFrame, time_s: float) -> None:
        """Encode the next frame, which comes at `time_s`.

        Raises OutputError where the file cannot be written, FrameOutputError where the codec takes no such pictures.
        """
        try:
            if self._output is None:
                self._open(time_s)
            if (prepared.height, prepared.width) != even(self._hw):
                prepared = self.prepare(to_rgb(prepared))
            prepared.pts, prepared.time_base = self._ticks(time_s), self._time_base
            self._encode(prepared)
        except (av.error.FFmpegError, OSError) as error:
            self._abandon()
            raise video_error(self._path, error) from error

    def close(self) -> None:
        """Complete the file. Raises OutputError where that fails."""
        if self._output is None:
            self._abandon()
            return
        try:
            try:
                self._complete()
            except KeyboardInterrupt:  # what is in the file by now is whole
                self._publish()
                raise
            self._publish()
        except (av.error.FFmpegError, OSError) as error:
            raise video_error(self._path, error) from error
        finally:
            self._abandon()

    def _publish(self) -> None:
        """Give the file its end and its name."""
        if self._output is not None:
            self._output.close()
        if not self._is_fragmented:
            self._place.replace(self._target)
        self._output = None

    def _complete(self) -> None:
        """Write what the encoder still has, and the sound up to the end of the last frame."""
        if not self._is_torn:
            self._encode(None)
        lasting = self._lasting()
        self._release(lasting)
        if self._sound is not None and self._output is not None:
            end_s, frame_s = float(self._end * self._time_base), float(lasting * self._time_base)
            self._sound.advance(self._output, end_s, end_s + frame_s)
            self._sound.finish(self._output)

    def _encode(self, frame: av.VideoFrame | None) -> None:
        """Mux what the encoder makes of a frame, or what it still has, but for the newest packet."""
        # In one go: Ctrl-C, which ends the first call that returns, must not part a frame from its packets.
        self._encoded.extend(map(self._stream.encode, (frame,)))
        was_torn, self._is_torn = self._is_torn, True  # until this is through: Ctrl-C may come anywhere
        while self._encoded:
            for packet in self._encoded.popleft():
                assert packet.pts is not None  # as the frame's
                if self._held is not None and self._held.pts is not None:
                    self._release(packet.pts - self._held.pts)
                self._held = packet
        self._is_torn = was_torn

    def _release(self, duration: int) -> None:
        """Mux the packet that was held back, after the sound that goes before it."""
        packet, self._held = self._held, None
        if packet is None or packet.pts is None or self._output is None:
            return
        self._end = packet.pts + duration
        packet.dts, packet.duration = packet.pts, duration
        if self._sound is not None:
            self._sound.advance(self._output, float(packet.pts * self._time_base))
        self._output.mux(packet)
        if self._is_fragmented:
            self._whole_bytes = self._place.stat().st_size

    def _ticks(self, time_s: float) -> int:
        """When a frame comes, in ticks since the first; later than the one before it, whatever its time."""
        ticks = max(round(time_s / self._time_base) - self._start, self._last + 1)
        if self._last >= 0:
            self._steps.append(ticks - self._last)
        self._last = ticks
        return ticks

    def _lasting(self) -> int:
        """How long the last frame lasts, ticks: as most of those before it."""
        if self._steps:
            return median_low(self._steps)
        return max(round(1 / (self._rate() * self._time_base)), 1)

    def _rate(self) -> Fraction:
        """Frames a second, about: for what an encoder decides by it."""
        return Fraction(self._fps if self._fps and 1 <= self._fps <= MOST_FPS else FALLBACK_FPS).limit_denominator(1001)

    def _open(self, time_s: float) -> None:
        """Begin the file with the frame that comes at `time_s`."""
        self._start = round(time_s / self._time_base)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        if self._audio is not None:
            try:
                self._sound = Sound(self._audio, time_s)
                self._begin()
            except SoundError as error:
                self._drop_sound()
                warnings.warn(PosecliWarning(f"{self._path}: without sound, as {error}"), stacklevel=2)
        if self._output is None:
            self._begin()

    def _begin(self) -> None:
        """Write what comes before the first frame. Raises SoundError where it is the sound that MP4 cannot hold."""
        output = av.open(str(self._place), "w", format="mp4", container_options=self._container_options())
        try:
            self._stream = self._add_stream(output)
            if self._sound is not None:
                self._sound.add_to(output)
            output.start_encoding()
        except (av.error.FFmpegError, OutputError, SoundError) as error:
            with suppress(av.error.FFmpegError, OSError):
                output.close()
            if self._sound is not None and isinstance(error, av.error.FFmpegError):
                raise SoundError(f"that of {self._audio} cannot be written as MP4 ({error})") from error
            raise
        self._output = output

    def _add_stream(self, output: OutputContainer) -> VideoStream:
        encoder, rate = self._encoder, self._rate()
        stream = output.add_stream(encoder.name, rate=rate)
        assert isinstance(stream, av.video.stream.VideoStream)  # as the encoder's kind
        context = stream.codec_context
        context.height, context.width = even(self._hw)
        context.sample_aspect_ratio = self._pixel_aspect
        context.pix_fmt = "yuv420p"
        context.time_base = stream.time_base = self._time_base
        context.gop_size = max(round(rate * (FRAGMENT_S if self._is_fragmented else KEYFRAME_S)), 1)
        context.thread_type = (
            av.codec.context.ThreadType.SLICE if self._is_fragmented else av.codec.context.ThreadType.FRAME
        )
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = LIMITED_RANGE
        context.options = {
            **encoder.options,
            **(encoder.live if self._is_fragmented else {}),
            **dict.fromkeys(encoder.quality, str(self._crf)),
        }
        if encoder.tag is not None:
            context.codec_tag = encoder.tag
        try:
            context.open(strict=False)
        except av.error.FFmpegError as error:
            size = f"{context.width}x{context.height} px"
            raise FrameOutputError(f"{self._path}: {encoder.name} cannot encode {size}; use another --codec") from error
        return stream

    def _container_options(self) -> dict[str, str]:
        if not self._is_fragmented:
            return {"movflags": "faststart"}  # the index comes first: a browser plays before it has the whole file
        microseconds = str(round(FRAGMENT_S * 1e6))
        return {"movflags": "empty_moov+default_base_moof", "frag_duration": microseconds, "flush_packets": "1"}

    def _drop_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()
        self._sound = None

    def _abandon(self) -> None:
        """Let go of what is open and of what is unfinished; of a recording, what was written stays."""
        output, self._output, self._held = self._output, None, None
        self._drop_sound()
        if output is not None:
            with suppress(av.error.FFmpegError, OSError):  # said already
                output.close()
        with suppress(OSError):  # nothing may be there
            if not self._is_fragmented:
                self._place.unlink()
            elif output is not None:
                os.truncate(self._place, self._whole_bytes)


def video_error(path: Path, error: Exception) -> OutputError:
    """The error for a video; FFmpeg's errors that have a number of the system's are worded as those."""
    if isinstance(error, OSError):
        return cannot_write(path, error)
    return cannot_write(path, OSError(getattr(error, "errno", None), getattr(error, "strerror", None) or str(error)))
