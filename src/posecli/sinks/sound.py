"""The sound that goes with a video: taken from the video's source, packet by packet, as the new video comes along.

It is copied where MP4 can hold it as it is and browsers play it, and becomes AAC where not. Either way each packet is
decoded, which takes little: one that is damaged is left out, as a browser would stop playing the whole video there.
"""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from posecli.errors import InputError, PosecliWarning
from posecli.pyav import av
from posecli.sources.opening import OpenVideo, open_video, shown_location

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet

COPIED = frozenset({"aac", "mp3", "opus", "flac"})  # what MP4 holds and browsers play, by FFmpeg's names
HEADED = frozenset({"opus", "flac"})  # of those, what MP4 has a header of, which damaged files may lack
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz
AAC_BIT_RATE = 160_000
SEEK_S = 1.0  # before what is wanted
MOST_DAMAGED = 1000  # packets; more, and there is no sound worth looking for
PROBED = 100  # packets; after as many, something must have been heard


class SoundError(Exception):
    """A video has to do without sound. The message is the end of the sentence "without sound, as ..."."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A packet that is whole."""

    start_s: float  # in the new video
    end_s: float
    packet: Packet[AudioStream]
    frames: list[AudioFrame]  # what it decodes to


class Sound:
    """The first audio stream of a file or an address, from `start_s` on, when the new video begins.

    Raises SoundError where there is none that can be decoded.
    """

    def __init__(self, location: Path | str, start_s: float) -> None:
        self._shown = shown_location(location)  # as messages call it
        self._damaged = 0  # packets
        self._ahead: deque[_Piece] = deque()  # what comes next; empty at the end
        self._last = -math.inf  # ticks of the last packet that was copied
        self._files = ExitStack()
        try:
            self._prepare(self._files.enter_context(open_video(location)), start_s)
        except InputError as error:
            raise SoundError(f"its source cannot be opened once more: {error}") from error
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self.close()
            raise SoundError(f"that of {self._shown} is damaged ({error})") from error
        except SoundError:
            self.close()
            raise

    def _prepare(self, source: OpenVideo, start_s: float) -> None:
        """Look for the first packets that are wanted."""
        usable = [stream for stream in source.container.streams.audio if getattr(stream, "codec_context", None)]
        if not usable:
            raise SoundError(f"{self._shown} has none of a known kind")
        self._stream: AudioStream = usable[0]
        origin = source.stream.start_time  # from where the times of frames count
        self._shift_s = start_s + (float(origin * source.stream.time_base) if origin and source.stream.time_base else 0)
        if start_s > SEEK_S:
            source.container.seek(round((self._shift_s - SEEK_S) * av.time_base))
        self._pieces = self._read(source.container.demux(self._stream))
        for piece in islice(self._pieces, PROBED):
            self._ahead.append(piece)
            if piece.frames:
                return
        what = "is damaged" if self._damaged else "ends before"
        raise SoundError(f"that of {self._shown} {what}")

    def add_to(self, output: OutputContainer) -> None:
        """Give a video that is not begun yet a stream for the sound. Raises SoundError where that cannot be."""
        context = self._stream.codec_context
        kind = context.codec.canonical_name
        self._is_copied = kind in COPIED and (kind not in HEADED or bool(context.extradata))
        try:
            if self._is_copied:
                self._out = output.add_stream_from_template(self._stream)
            else:
                rate = min(AAC_RATES, key=lambda each: abs(each - context.sample_rate))
                layout = "mono" if context.layout.nb_channels == 1 else "stereo"
                self._out = output.add_stream("aac", rate=rate, layout=layout, bit_rate=AAC_BIT_RATE)
        except (av.error.FFmpegError, ValueError) as error:
            raise SoundError(f"that of {self._shown} cannot be written as MP4 ({error})") from error

    def advance(self, output: OutputContainer, until_s: float, latest_end_s: float = math.inf) -> None:
        """Write what begins before `until_s` in the new video and ends by `latest_end_s`, as far as that is left."""
        while self._ahead and self._ahead[0].start_s < until_s and self._ahead[0].end_s <= latest_end_s:
            piece = self._ahead.popleft()
            if not self._ahead:
                self._ahead.extend(islice(self._pieces, 1))
            if self._is_copied:
                self._copy(output, piece)
            else:
                self._encode(output, [frame for frame in piece.frames if self._moved(frame)])

    def finish(self, output: OutputContainer) -> None:
        """Write what is still on its way. Warns where a part had to be left out."""
        if not self._is_copied:
            self._encode(output, [None])
        if self._damaged:
            text = f"{self._shown}: parts of its sound are damaged; the video is silent there"
            warnings.warn(PosecliWarning(text), stacklevel=2)

    def close(self) -> None:
        """Close the source."""
        self._files.close()

    def _read(self, packets: Iterator[Packet[AudioStream]]) -> Iterator[_Piece]:
        """What is whole, from the beginning of the new video on; the source may break off anywhere."""
        while self._damaged < MOST_DAMAGED:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):  # it breaks off
                self._damaged += 1
                return
            if packet is None:
                return
            if packet.pts is None:
                continue
            try:
                frames = self._stream.decode(packet)
            except av.error.FFmpegError:
                self._damaged += 1
                continue
            heard_s = sum(frame.samples / frame.sample_rate for frame in frames)
            length_s = float((packet.duration or 0) * packet.time_base) or heard_s
            start_s = float(packet.pts * packet.time_base) - self._shift_s
            if start_s + length_s >= 0:
                yield _Piece(start_s, start_s + length_s, packet, frames)

    def _copy(self, output: OutputContainer, piece: _Piece) -> None:
        """Write a packet as it is, at its new time; what begins before the video is for the decoder only."""
        packet = piece.packet
        assert packet.pts is not None  # others were left out
        packet.pts -= round(self._shift_s / packet.time_base)
        if packet.pts <= self._last:  # as a damaged file has it
            self._damaged += 1
            return
        self._last = packet.dts = packet.pts
        packet.stream = self._out
        try:
            output.mux(packet)
        except ValueError:  # it is not what it says; a full disk is no ValueError
            self._damaged += 1

    def _moved(self, frame: AudioFrame) -> bool:
        """Give a frame its new time; False for one before the video, or without a time."""
        if frame.pts is None or frame.time_base is None:
            return False
        frame.pts -= round(self._shift_s / frame.time_base)
        return frame.pts >= 0

    def _encode(self, output: OutputContainer, frames: list[AudioFrame] | list[None]) -> None:
        """Write frames as AAC; None is the last."""
        for frame in frames:
            try:
                output.mux(self._out.encode(frame))
            except ValueError:  # of another kind than those before
                self._damaged += 1
