"""An open video played from a time on: decoded frames in order, each with its number and its time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from posecli.errors import InputError
from posecli.pyav import av
from posecli.sources.opening import OpenVideo, reason

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_ISO_MEDIA = "mov,mp4"  # how FFmpeg's name of these formats begins; of all, they alone tell surely how many frames come


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A decoded frame."""

    frame: VideoFrame
    number: int  # in its video, from 0
    time: Fraction  # s from the start of the video; greater than that of the frame before


class Playback:
    """The frames of an open video that are shown at `start` (s) or later.

    What comes before is read and counted, but not decoded up to the last key frame that all can be decoded from: so
    numbers are true, and frames exact, wherever FFmpeg's own search would have landed. Damaged frames are left out.
    Once it is exhausted, or enough was taken, the checks say what was wrong.
    """

    def __init__(self, video: OpenVideo, start: Fraction) -> None:
        self._video = video
        self._time_base = time_base(video.stream)
        self._start = start
        self._start_tick = math.ceil(start / self._time_base)  # ticks count from the start of the video
        self._origin = video.stream.start_time  # where it is unknown, the time of the first packet
        is_iso_media = video.container.format.name.startswith(_ISO_MEDIA)
        self._listed = video.stream.frames if is_iso_media else 0  # packets that there should be, where that is known
        self._packets = 0  # whole ones
        self._last_dts: int | None = None  # of the last of these, as it stands in the file
        self._early = 0  # packets of frames before the start
        self._coming: list[int] = []  # a heap: ticks of packets whose frames are not shown yet
        self._begins_with_key: bool | None = None  # None before the first packet
        self._next: int | None = None  # number of the next frame, if none is lost; None before the first
        self._shown = 0
        self._is_interlaced = False  # then a frame may come in two packets
        self._damaged = 0
        self._lost = 0  # of those, what is not yet in the numbers of the frames after them
        self._broken: av.error.FFmpegError | None = None

    def __iter__(self) -> Iterator[Shown]:
        """Play it, once."""
        last: int | None = None  # tick of the frame before
        for frame in self._decoded():
            tick = self._tick(frame.pts)
            if tick is not None and tick < self._start_tick:
                continue
            number = (self._early if self._next is None else self._next) + self._lost_before(tick)
            self._next = number + 1
            self._shown += 1
            self._is_interlaced = frame.interlaced_frame
            last = tick if tick is not None and (last is None or tick > last) else self._after(last)
            yield Shown(frame, number, last * self._time_base)
            del frame  # or it would outlive its use until the next is decoded

    def check_end(self) -> None:
        """Raise InputError where the video ended before it should, or before anything was shown."""
        name, so_far = self._video.shown, self._next or 0
        if self._broken is not None:
            raise InputError(f"{name}: breaks off after {so_far} frames ({reason(self._broken)}); {self._remedy}")
        if self._packets < self._listed:
            raise InputError(f"{name}: cut off after {so_far} of {self._listed} frames; {self._remedy}")
        if not self._packets:
            raise InputError(f"{name}: no frames in it; {self._remedy}")
        if self._is_cut:
            raise InputError(f"{name}: cut off after {so_far} frames; {self._remedy}")
        if not self._shown and not self._damaged:
            start_s = float(self._start)
            raise InputError(
                f"{name}: ends after {self._early} frames, before --start {start_s:g}; choose an earlier one"
            )

    def check_damage(self) -> None:
        """Raise InputError where frames of a file were damaged; a live stream may lose some."""
        if self._damaged and self._video.is_file:
            left = "all of them" if not self._shown else f"{self._damaged} of {(self._next or 0) + self._lost}"
            raise InputError(f"{self._video.shown}: frames are damaged, and left out: {left}; {self._remedy}")

    @property
    def _is_cut(self) -> bool:
        return self._broken is not None or self._packets < self._listed or self._video.is_cut

    @property
    def _remedy(self) -> str:
        return "get a fresh copy of it" if self._video.is_file else "check the address and the network"

    def _lost_before(self, tick: int | None) -> int:
        """How many of the frames that are known to be lost would have come since the one before, by their packets."""
        gone = 0
        while tick is not None and self._coming and self._coming[0] <= tick:
            gone += heappop(self._coming) < tick
        lost = min(gone, self._lost)
        self._lost -= lost
        return lost

    def _lose(self, packet: Packet[VideoStream] | None) -> None:
        """Count a packet that gives no frame, or a damaged one."""
        tick = None if packet is None else self._tick_of(packet)
        if tick is not None and tick < self._start_tick:
            return  # it is not wanted
        if self._shown or self._begins_with_key:  # else the recording began in the middle
            self._lost += 1
            self._damaged += 1

    def _tick_of(self, packet: Packet[VideoStream]) -> int | None:
        return self._tick(packet.dts if packet.pts is None else packet.pts)

    def _tick(self, pts: int | None) -> int | None:
        return None if pts is None else pts - (self._origin or 0)

    def _after(self, last: int | None) -> int:
        """A tick for a frame whose own is unknown, or not after the last."""
        if last is None:
            return self._start_tick
        rate = self._video.stream.average_rate
        return last + (max(round(1 / (rate * self._time_base)), 1) if rate else 1)

    def _decoded(self) -> Iterator[VideoFrame]:
        """The frames from a key frame on, in the order in which they are shown, but those that are damaged."""
        for packet in self._needed():
            if packet.is_corrupt:  # an error at the end would cost the good frames that the decoder still has
                self._lose(packet)
                continue
            for frame in self._decode(packet):
                if frame.is_corrupt:
                    self._lose(packet)
                else:
                    yield frame
        for frame in self._decode(None):
            # Frames that were cut off may have had to come before one that was not: not before this moment, though.
            if frame.pts is None or not self._is_cut or self._last_dts is None or frame.pts <= self._last_dts:
                yield frame
        if (
            self._listed and not self._is_cut and not self._is_interlaced
        ):  # PyAV keeps an error to itself where frames came before it
            self._damaged += max(len(self._coming) - self._lost, 0)
            self._lost = max(len(self._coming), self._lost)

    def _decode(self, packet: Packet[VideoStream] | None) -> Sequence[VideoFrame]:
        """The frames that can be had once the decoder has another packet, or None: all that it still has."""
        try:
            return self._video.stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            self._lose(packet)
            return ()

    def _needed(self) -> Iterator[Packet[VideoStream]]:
        """The packets from the last key frame on that all wanted frames can be decoded from."""
        packets = self._counted()
        if self._start:
            held: deque[Packet[VideoStream]] = deque()
            for packet in packets:
                tick = self._tick_of(packet)
                is_late = tick is None or tick > self._start_tick
                if packet.is_keyframe and not is_late:
                    held.clear()
                held.append(packet)
                if is_late:
                    break
            while held:
                yield held.popleft()
        yield from packets

    def _counted(self) -> Iterator[Packet[VideoStream]]:
        """All packets, up to where the video ends or breaks off."""
        try:
            for packet in self._video.container.demux(self._video.stream):
                if packet.dts is None and not packet.size:  # PyAV's own, at the end
                    return
                if self._begins_with_key is None:
                    self._begins_with_key = packet.is_keyframe
                    self._origin = (self._tick_of(packet) or 0) if self._origin is None else self._origin
                if not packet.is_corrupt:
                    self._packets += 1
                    self._last_dts = packet.dts
                self._expect(packet)
                yield packet
        except av.error.FFmpegError as error:
            self._broken = error

    def _expect(self, packet: Packet[VideoStream]) -> None:
        """Note the frame of a packet, unless the file says that it is not to be shown."""
        tick = self._tick_of(packet)
        if tick is None or packet.is_discard:
            return
        if tick < self._start_tick:
            self._early += 1
        else:
            heappush(self._coming, tick)


def time_base(stream: VideoStream) -> Fraction:
    """The unit of the times of a video, in s."""
    return stream.time_base or Fraction(1, av.time_base)
