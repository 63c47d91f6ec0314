"""What is recorded of a live session: a video with skeletons, and beside it the poses as JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from posecli.errors import OutputError
from posecli.files import exists
from posecli.poses import Poses
from posecli.sinks.base import Sink
from posecli.sinks.images import Render
from posecli.sinks.structured import JsonLinesSink
from posecli.sources import Frame, Input
from posecli.sources.live import TIME_BASE

if TYPE_CHECKING:
    from typing_extensions import Self

    from posecli.sinks.encoding import VideoWriter

POSES_SUFFIX = ".jsonl"
LONGEST_GAP_S = 3600.0  # that a frame may last: after some hours MP4 would lose count


@dataclass
class _Recording:
    """One video with its poses, both open."""

    files: ExitStack
    video: VideoWriter
    poses: JsonLinesSink
    hw: tuple[int, int]  # px
    start_s: float  # time of its first frame, later by what was left out since
    last_s: float  # time of its last frame
    count: int = 0  # of its frames


class Recorder(Sink):
    """Records whenever it is on: `start` and `stop` may be called between any two frames.

    In a recording the time begins at 0 and frames are counted from there, so that the lines of poses go with its video;
    pauses are left out. Where the pictures change their size, as a camera's may that was lost, or none has come for
    longer than LONGEST_GAP_S, a new recording goes on. A recording that cannot be written is over: what there is of it
    stays, `on_error` hears of it, and what raises there ends the run.
    """

    def __init__(self, render: Render, min_part_score: float, on_error: Callable[[OutputError], None]) -> None:
        self._render = render
        self._min_part_score = min_part_score
        self._on_error = on_error
        self._path: Path | None = None  # what is recorded to, or will be from the next frame on
        self._recording: _Recording | None = None
        self._pauses: list[tuple[float, float]] = []  # begin and end, s; after the last frame
        self.seconds = 0.0  # of the recording so far

    @property
    def is_on(self) -> bool:
        """Whether the next frame will be recorded."""
        return self._path is not None

    def start(self, path: Path) -> None:
        """Record from the next frame on, to `path` and a file beside it."""
        self.stop()
        self._path = path

    def stop(self) -> None:
        """Complete the recording, if there is one. Raises OutputError where that fails."""
        recording, self._recording, self._path, self.seconds = self._recording, None, None, 0.0
        if recording is not None:
            recording.files.close()

    def leave_out(self, start_s: float, end_s: float) -> None:
        """There was a pause, of which no recording is to know."""
        self._pauses.append((start_s, end_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Whoever starts a recording chooses a free name."""

    def write(self, frame: Frame, poses: Poses) -> None:
        """Record a frame, if it is on."""
        if self._path is None:
            return
        try:
            self._write(self._path, frame, poses)
        except OutputError as error:
            with suppress(OutputError):  # for the same reason, which will be told
                self.stop()
            self._on_error(error)

    def _write(self, path: Path, frame: Frame, poses: Poses) -> None:
        image = self._render(frame, poses)
        hw = image.shape[0], image.shape[1]
        self._leave_out_pauses(_time(frame))
        recording = self._recording
        if recording is not None and (recording.hw != hw or _time(frame) - recording.last_s > LONGEST_GAP_S):
            self.start(path := free_path(path))
        if self._recording is None:
            self._recording = self._opened(path, hw, frame)
        recording = self._recording
        recording.last_s = _time(frame)
        self.seconds = recording.last_s - recording.start_s
        recording.video.write(recording.video.prepare(image), self.seconds)
        recording.poses.write(replace(frame, index=recording.count, time_s=self.seconds), poses)
        recording.count += 1

    def _leave_out_pauses(self, time_s: float) -> None:
        """Have the pauses that began before this time, that of the next frame, take no time in the recording."""
        for start_s, end_s in self._pauses:
            if start_s < time_s and self._recording is not None:
                self._recording.start_s += min(end_s, time_s) - start_s
                self._recording.last_s += min(end_s, time_s) - start_s
        self._pauses = [(max(start_s, time_s), end_s) for start_s, end_s in self._pauses if end_s > time_s]

    def _opened(self, path: Path, hw: tuple[int, int], frame: Frame) -> _Recording:
        from posecli.sinks.encoding import VideoWriter  # here, as a window opens sooner without FFmpeg

        fps = None if frame.clip is None else frame.clip.fps
        with ExitStack() as files:
            poses = JsonLinesSink(str(path.with_suffix(POSES_SUFFIX)), self._min_part_score)
            files.enter_context(poses)
            video = VideoWriter(path, hw, time_base=TIME_BASE, fps=fps, fragmented=True)
            files.enter_context(video)
            return _Recording(files.pop_all(), video, poses, hw, _time(frame), _time(frame))


def free_path(path: Path) -> Path:
    """The path itself, or with a number such as -2, where no video and no poses are yet."""
    for number in range(1, 1_000_000):
        candidate = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        if not exists(candidate) and not exists(candidate.with_suffix(POSES_SUFFIX)):
            return candidate
    raise OutputError(f"{path}: this name and a million like it are taken; choose another place")


def _time(frame: Frame) -> float:
    assert frame.time_s is not None  # frames of a live source have one
    return frame.time_s
