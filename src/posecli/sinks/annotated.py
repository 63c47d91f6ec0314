"""What `annotate` writes: pictures of photos, videos of videos."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from posecli.poses import Poses
from posecli.sinks.base import FrameOutputError, Sink
from posecli.sinks.images import ImageSink
from posecli.sinks.outputs import check_outputs
from posecli.sinks.rendered import RenderedSink
from posecli.sources import Failure, Frame, Input

if TYPE_CHECKING:
    from typing_extensions import Self

    from posecli.sinks.video import VideoSink


class AnnotatedSink(Sink):
    """Photos become pictures, videos become videos. Where no input is a video, `videos` is None: FFmpeg stays away."""

    def __init__(self, pictures: ImageSink, videos: VideoSink | None) -> None:
        self._pictures = pictures
        self._videos = videos

    def __enter__(self) -> Self:
        self._pictures.__enter__()
        if self._videos is not None:
            self._videos.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._videos is not None:
            self._videos.__exit__(kind, error, traceback)
        self._pictures.__exit__(kind, error, traceback)

    def path_for(self, entry: Input) -> Path:
        """Where the result of an input goes."""
        return self._of(entry).path_for(entry.name)

    def is_done(self, entry: Input) -> bool:
        """Whether the result of an input is there already, such as from an interrupted run."""
        return self._of(entry).is_done(entry.name)

    def refusal(self, entry: Input) -> FrameOutputError | None:
        """Why the result of an input must not be written: it exists, and that was to be an error."""
        return self._of(entry).refusal(entry.name)

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Raise UsageError where two inputs would share a file, or one, or maybe an original, be replaced."""
        entries = list(entries)
        self._pictures.plan([entry for entry in entries if not entry.is_video], protected)
        if self._videos is not None:
            self._videos.plan([entry for entry in entries if entry.is_video], protected)
        check_outputs(entries, self.path_for, protected)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Draw and write a frame. Raises as the sink does that it belongs to."""
        self.prepare(frame, poses)()

    def prepare(self, frame: Frame, poses: Poses) -> Callable[[], None]:
        """Draw a frame; what is returned writes it. Raises as `write` does."""
        if self._videos is None:
            return self._pictures.prepare(frame, poses)
        if frame.clip is not None:
            return self._videos.prepare(frame, poses)
        return partial(self._put, self._videos, self._pictures.prepare(frame, poses))

    def fail(self, failure: Failure) -> None:
        """Complete the video before an input that gives none."""
        if self._videos is not None:
            self._videos.fail(failure)

    @staticmethod
    def _put(videos: VideoSink, put: Callable[[], None]) -> None:
        """Write a picture; the video before it has ended."""
        videos.finish()
        put()

    def _of(self, entry: Input) -> RenderedSink:
        return self._videos if entry.is_video and self._videos is not None else self._pictures
