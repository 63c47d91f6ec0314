"""What a live source reads: cameras through OpenCV; streams, and files at their own speed, through PyAV."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from posecli.errors import InputError, MissingPathError, UsageError
from posecli.files import exists
from posecli.opencv import cv2
from posecli.sources.cameras import Camera, list_cameras

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from posecli.sources.opening import OpenVideo

Pixels = Callable[[], NDArray[np.uint8]]  # makes the picture, (H, W, 3) RGB, on the thread that wants it
Wait = Callable[[float], bool]  # waits so many seconds; True as soon as the work is to end
Clock = Callable[[], float]  # s

DEFAULT_RESOLUTION = (1280, 720)  # width, height, px
_PRIVACY = {
    "darwin": "allow this terminal under System Settings > Privacy & Security > Camera",
    "win32": "allow desktop apps under Settings > Privacy & security > Camera",
}


class LostError(InputError):
    """A camera or a stream that was there has gone; it may come back."""


class Device(Protocol):
    """Gives one picture after another, to one thread."""

    fps: float | None  # as the device says; None where it does not

    def read(self) -> Pixels | None:
        """Wait for the next picture; None where the last has been.

        Raises LostError where the device is gone.
        """
        ...

    def close(self) -> None:
        """Let the device go."""
        ...


Opener = Callable[[Wait], Device]  # raises InputError where there is nothing to open


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """Which camera, and what is asked of it. Raises UsageError for a value out of range."""

    index: int = 0
    resolution: tuple[int, int] = DEFAULT_RESOLUTION  # width, height, px; a camera gives the nearest it has
    fps: float | None = None  # None: as the camera likes

    def __post_init__(self) -> None:
        if self.index < 0:
            raise UsageError(f"--camera must not be negative, got {self.index}; posecli cameras lists them")
        if min(self.resolution) < 1:
            raise UsageError(f"--resolution must be at least 1x1, got {self.resolution[0]}x{self.resolution[1]}")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise UsageError(f"--fps must lie between 0 and 1000, got {self.fps:g}")


def open_camera(options: CameraOptions) -> Device:
    """Open a camera. Raises InputError, with the remedy, where that cannot be."""
    capture = cv2.VideoCapture(options.index)
    if not capture.isOpened():
        capture.release()
        raise InputError(f"camera {options.index} cannot be opened; {_remedy(options.index, list_cameras())}")
    if sys.platform == "linux":  # uncompressed, USB has room for a few large pictures a second only
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    width, height = options.resolution
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    if options.fps is not None:
        capture.set(cv2.CAP_PROP_FPS, options.fps)
    return CameraDevice(capture, options.index)


def _remedy(index: int, cameras: tuple[Camera, ...]) -> str:
    """What to do about a camera that cannot be opened, where these are connected."""
    if not cameras:
        if remedy := _PRIVACY.get(sys.platform):
            return f"none is found: connect one, and {remedy}; or give a video with --source"
        return "none is connected (posecli cameras would list it); connect one, or give a video with --source"
    mine = next((camera for camera in cameras if camera.index == index), None)
    if mine is None:
        others = ", ".join(str(camera.index) for camera in cameras)
        return f"there is none of this number; choose with --camera among {others} (posecli cameras lists them)"
    if not mine.accessible:
        return "this user may not open it; run: sudo usermod -aG video $USER, then log in again"
    return "another program may be using it; close that, or choose another with --camera (posecli cameras lists them)"


class CameraDevice:
    """A camera that OpenCV has opened."""

    def __init__(self, capture: Any, index: int) -> None:
        self._capture = capture
        self._index = index
        self.fps: float | None = capture.get(cv2.CAP_PROP_FPS) or None

    def read(self) -> Pixels:
        """Wait for the next picture. Raises LostError where none comes."""
        is_there, bgr = self._capture.read()
        if not is_there:
            raise LostError(f"camera {self._index} gives no more pictures")
        return partial(from_bgr, bgr)

    def close(self) -> None:
        """Let the camera go."""
        self._capture.release()


def from_bgr(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture as OpenCV has it, (H, W, 3) BGR, as RGB."""
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def camera_of(source: str) -> int | None:
    """The index of the camera that `--source` names by its device, such as /dev/video2; None for anything else."""
    match = re.fullmatch(r"/dev/video(\d{1,3})", source)
    return int(match[1]) if match else None


def is_address(source: str) -> bool:
    """Whether a source is an address rather than a file; C:/clip.mp4 is a file."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source) is not None


def stream_name(source: str) -> str:
    """What results call a source: the last part of its path, else the host."""
    if not is_address(source):
        return Path(source).name
    try:
        parts = urlsplit(source)
        return parts.path.rstrip("/").rpartition("/")[2] or parts.hostname or "stream"
    except ValueError:  # half an IPv6 address: opening it will say so
        return "stream"


def open_stream(source: str, wait: Wait, clock: Clock = perf_counter) -> Device:
    """Open a file or the address of a stream, and begin to play it. Raises InputError where that cannot be."""
    from posecli.sources.opening import open_video  # here, as cameras need none of it

    if not is_address(source) and not exists(Path(source)):
        raise MissingPathError(f"{source}: no such file; check --source")
    with ExitStack() as opened:
        video = opened.enter_context(open_video(source if is_address(source) else Path(source)))
        return StreamDevice(video, opened.pop_all(), wait, clock, is_address=is_address(source))


class StreamDevice:
    """A stream as it comes, or a recording at its own speed, that PyAV has opened."""

    def __init__(self, video: OpenVideo, opened: ExitStack, wait: Wait, clock: Clock, *, is_address: bool) -> None:
        # What FFmpeg knows the duration of is a recording, wherever it lies.
        self._is_endless = is_address and video.container.duration is None
        if self._is_endless:  # frames on several threads come several frames late, which recordings can make good
            video.stream.thread_type = "SLICE"
        self._video = video
        self._opened = opened
        self._wait = wait
        self._clock = clock
        self._frames = self._decoded()
        self._ahead_s: float | None = None  # how far the clock is ahead of the recording's own time
        self.fps: float | None = float(video.stream.average_rate) if video.stream.average_rate else None

    def read(self) -> Pixels | None:
        """Wait for the next picture. Raises LostError where a stream breaks off."""
        frame = next(self._frames, None)
        if frame is None:
            if self._is_endless:
                raise LostError(f"{self._video.shown}: has broken off")
            return None
        if not self._is_endless and frame.pts is not None and self._is_ended_before(frame.time):
            return None
        from posecli.sources.pixels import to_rgb

        return partial(to_rgb, frame)

    def close(self) -> None:
        """Let the stream go."""
        self._frames.close()
        self._opened.close()

    def _decoded(self) -> Generator[VideoFrame, None, None]:
        """The frames that can be decoded; damaged ones are passed over, as players do."""
        from posecli.pyav import av
        from posecli.sources.opening import reason

        packets = self._video.container.demux(self._video.stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                kind = LostError if self._is_endless else InputError
                raise kind(f"{self._video.shown}: has broken off ({reason(error)})") from error
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                continue

    def _is_ended_before(self, time_s: float) -> bool:
        """Wait until it is time for the picture of this time; True where the work is to end."""
        now = self._clock()
        if self._ahead_s is None:
            self._ahead_s = now - time_s
        return self._wait(max(0.0, self._ahead_s + time_s - now))
