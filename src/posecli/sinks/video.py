"""Annotated videos, one for each that comes in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType

from posecli.errors import UsageError
from posecli.options import Exists, VideoOptions
from posecli.poses import Poses
from posecli.pyav import av
from posecli.sinks.base import FrameOutputError
from posecli.sinks.codecs import check_codec
from posecli.sinks.encoding import VideoWriter
from posecli.sinks.fitting import to_yuv
from posecli.sinks.gif import GifWriter, to_small
from posecli.sinks.rendered import Render, RenderedSink
from posecli.sources import VIDEO_SUFFIXES, Clip, Failure, Frame, Input
from posecli.sources.listing import PLAYLIST_SUFFIXES


class VideoSink(RenderedSink):
    """Draws each frame, and writes a video for each clip, below `folder` under the clip's own name.

    A video appears whole when the next clip begins or the sink is left, with the frames that came until then, whatever
    ended the work. All frames must belong to a clip. Raises UsageError where PyAV lacks the codec.
    """

    def __init__(
        self,
        folder: Path,
        render: Render,
        options: VideoOptions,
        exists: Exists | None = None,
        needs_alpha: bool = False,
        file: Path | None = None,
    ) -> None:
        super().__init__(folder, render, exists, file)
        check_codec(options.codec)
        self._options = options
        self._needs_alpha = needs_alpha
        self._clip: Clip | None = None
        self._writer: VideoWriter | GifWriter | None = None  # of that clip
        self._is_over: dict[Clip, bool] = {}  # whether no more is written of a clip: its video stays, or cannot be

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.finish()

    def _below_folder(self, name: str) -> Path:
        own = PurePosixPath(name).suffix
        stem = name.removesuffix(own) if own.lower() in VIDEO_SUFFIXES | PLAYLIST_SUFFIXES else name
        return self._folder / f"{stem}{'.gif' if self._options.codec == 'gif' else '.mp4'}"

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Raise UsageError where two inputs would share a video, or one, or maybe an original, be replaced."""
        entries = list(entries)
        if self._needs_alpha and entries:
            raise UsageError(f"{entries[0].location}: a video cannot be transparent; use --background black")
        super().plan(entries, protected)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Draw and encode a frame.

        Raises OutputError where its video cannot be written, FrameOutputError where those of other clips can; then the
        rest of the clip is passed over.
        """
        self.prepare(frame, poses)()

    def prepare(self, frame: Frame, poses: Poses) -> Callable[[], None]:
        """Draw a frame and convert its colours; what is returned encodes it. Raises as `write` does."""
        if frame.clip is None or frame.time_s is None:
            raise FrameOutputError(f"{frame.name}: a photo, which a video has no place for")
        if frame.clip not in self._is_over:
            self._is_over[frame.clip] = self._is_kept(frame.clip.name)
        if self._is_over[frame.clip]:
            return lambda: None
        image = self._render(frame, poses)
        is_gif = self._options.codec == "gif"
        prepared = to_small(image, frame.clip.pixel_aspect) if is_gif else to_yuv(image)
        return partial(self._put, frame.clip, frame.time_s, (image.shape[0], image.shape[1]), prepared)

    def fail(self, failure: Failure) -> None:
        """Complete the video before an input that gives none; one that breaks off may go on, and stays open."""
        if self._clip is not None and failure.name != self._clip.name:
            self.finish()

    def finish(self) -> None:
        """Complete the video that is being written, if there is one. Raises OutputError where that fails."""
        if self._writer is not None:
            self._writer.close()
        self._writer = self._clip = None

    def _put(self, clip: Clip, time_s: float, hw: tuple[int, int], prepared: av.VideoFrame) -> None:
        if self._is_over[clip]:
            return
        if clip is not self._clip or self._writer is None:
            self.finish()
            self._writer = self._opened(clip, hw)
            self._clip = clip
        try:
            self._writer.write(prepared, time_s)
        except FrameOutputError:
            self._is_over[clip] = True
            raise

    def _opened(self, clip: Clip, hw: tuple[int, int]) -> VideoWriter | GifWriter:
        path, options = self.path_for(clip.name), self._options
        if options.codec == "gif":
            return GifWriter(path, hw, clip.pixel_aspect)
        return VideoWriter(
            path,
            hw,
            time_base=clip.time_base,
            codec=options.codec,
            crf=options.crf,
            fps=clip.fps,
            audio=self._audio_of(clip),
            pixel_aspect=clip.pixel_aspect,
        )

    def _audio_of(self, clip: Clip) -> Path | str | None:
        """Where the sound of a clip is, if it is to go along and can be read apart from the frames."""
        if not self._options.audio or not clip.has_audio or clip.is_live or isinstance(clip.location, int):
            return None
        return clip.location
