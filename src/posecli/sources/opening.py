"""Open a video, a file or a stream, with FFmpeg; say clearly why where that fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from posecli.download.bases import OFFLINE_VARIABLE, is_offline
from posecli.errors import InputError
from posecli.pyav import av
from posecli.sources.containers import has_whole_box, is_cut_video, media_brands
from posecli.sources.reading import check_file

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

TIMEOUT_S = 10.0  # for a stream to answer, and then between two signs of life
# For the container alone: before version 17, PyAV crashes where streams that it finds late have options.
_FILE_OPTIONS = {"protocol_whitelist": "file,crypto,data"}  # a file that sends FFmpeg to the network is refused
_STREAM_OPTIONS = {"rtsp_transport": "tcp"}  # whole pictures, and through firewalls


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """A video that was opened: its container, and which of its streams is shown."""

    container: InputContainer
    stream: VideoStream
    shown: str  # as messages call it
    is_file: bool  # else it is a stream, or comes from a server
    is_cut: bool  # a file that ends before it should, as far as its container tells

    @property
    def has_audio(self) -> bool:
        """Whether there is sound."""
        return bool(self.container.streams.audio)

    @property
    def length_s(self) -> float | None:
        """How long it lasts, in s, where that is known; of a live stream it is not."""
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        return None if self.container.duration is None else self.container.duration / av.time_base


@contextmanager
def open_video(location: Path | str) -> Iterator[OpenVideo]:
    """Open a file or an address, and close it whatever happens.

    Raises InputError where there is no video, or where the user forbids the network.
    """
    shown = shown_location(location)
    try:
        container = _open_file(location) if isinstance(location, Path) else _open_stream(location)
    except av.error.FFmpegError as error:
        raise InputError(f"{shown}: {_why_closed(location, error)}") from error
    with container:
        stream = _best_stream(container, shown)
        stream.thread_type = "AUTO"
        yield OpenVideo(container, stream, shown, isinstance(location, Path), _is_cut(location))


def shown_location(location: Path | str) -> str:
    """A file or an address as messages show it: without the password."""
    return str(location) if isinstance(location, Path) else re.sub(r"://[^/?#]*@", "://***@", location)


def reason(error: av.error.FFmpegError) -> str:
    """What FFmpeg says went wrong."""
    if isinstance(error, (av.error.ExitError, av.error.TimeoutError)):
        return f"timed out after {TIMEOUT_S:.0f} s"
    return error.strerror or str(error)


def _open_file(path: Path) -> InputContainer:
    check_file(path, str(path))
    with path.open("rb") as file:
        if media_brands(file.read(256)) and not has_whole_box(file, b"moov"):
            why = "its index (moov) is missing: it is still being written, or was cut off"
            raise InputError(f"{path}: {why}; wait until it is finished, or get a fresh copy of it")
    # With its protocol in front, no other can be read out of a name such as "concat:a.mp4".
    return av.open(f"file:{path}", container_options=_FILE_OPTIONS, metadata_errors="replace")


def _is_cut(location: Path | str) -> bool:
    if isinstance(location, str):
        return False
    with location.open("rb") as file:
        return is_cut_video(file)


def _open_stream(address: str) -> InputContainer:
    if is_offline():
        shown = shown_location(address)
        raise InputError(f"{shown}: {OFFLINE_VARIABLE} forbids the network; unset it, or give the video as a file")
    return av.open(
        address.partition("#")[0],
        container_options=_STREAM_OPTIONS,
        timeout=(TIMEOUT_S, TIMEOUT_S),
        metadata_errors="replace",
    )


def _why_closed(location: Path | str, error: av.error.FFmpegError) -> str:
    if isinstance(location, str):
        return f"cannot be opened ({reason(error)}); check the address and the network"
    if isinstance(error, av.error.InvalidDataError):
        return "not a video that FFmpeg can read; convert it to MP4, or get a fresh copy of it"
    return f"cannot be opened ({reason(error)}); convert it to MP4, or get a fresh copy of it"


def _best_stream(container: InputContainer, shown: str) -> VideoStream:
    """Of several, such as sizes to choose from, the largest; pictures that come with the sound are none."""
    streams = [each for each in container.streams.video if not each.disposition & av.stream.Disposition.attached_pic]
    if container.format.name.endswith("_pipe") or container.format.name == "image2":
        raise InputError(f"{shown}: a picture, not a video; give it a name that says so, such as one in .jpg")
    if not streams:
        what = "only sound in it, no video" if container.streams.audio else "no video in it"
        raise InputError(f"{shown}: {what}; give a file that has one")
    decodable = [each for each in streams if getattr(each, "codec_context", None)]  # PyAV types it as always there
    if not decodable:
        raise InputError(f"{shown}: FFmpeg has no decoder for its video; convert it to H.264 in MP4")
    return max(decodable, key=lambda stream: stream.width * stream.height)
