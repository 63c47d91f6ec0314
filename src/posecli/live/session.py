"""A live session: the frames that a run takes, what the window shows of them, and what its keys do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posecli.draw import DrawStyle, draw
from posecli.errors import OutputError
from posecli.files import write_whole
from posecli.live.adaptive import Adaptive
from posecli.live.keys import Action, action_of
from posecli.live.meter import Meter
from posecli.live.overlay import Status, overlay
from posecli.live.recording import Recorder, free_path
from posecli.opencv import cv2
from posecli.options import QUALITIES, EstimatorOptions, QualityName
from posecli.poses import Poses
from posecli.sources import Frame
from posecli.sources.live import LiveSource

if TYPE_CHECKING:
    from posecli.estimate import Estimator

Image = NDArray[np.uint8]  # (H, W, 3) RGB

WAIT_S = 0.1  # for a frame, before the window is looked after meanwhile
FRESH = 0.4  # of the time that a frame takes: a picture older than that is left for the next, which is due soon
NOTICE_S = 3.0
READING_S = 0.25  # for which the figures in the corner stand still, so that they can be read
HINT = "h: help   q: quit"
_QUALITIES: Mapping[Action, QualityName] = {Action.FAST: "fast", Action.BALANCED: "balanced", Action.BEST: "best"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session keeps to."""

    folder: Path  # of snapshots and recordings
    style: DrawStyle
    is_mirrored: bool = False  # the view, like a mirror; what is saved never is
    must_record: bool = False  # a recording that fails ends the session


class Session:
    """Runs from the first frame until a key, or `source`, ends it. The `View` of a window.

    `say` hears what people without a window should know too; `today` names the files.
    """

    def __init__(
        self,
        source: LiveSource,
        estimator: Estimator,
        settings: Settings,
        *,
        adaptive: Adaptive | None = None,
        say: Callable[[str], None] = lambda _: None,
        today: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._source = source
        self._estimator = estimator
        self._settings = settings
        self._adaptive = adaptive
        self._say = say
        self._today = today
        self._meter = Meter()
        self._last: tuple[Frame, Poses] | None = None
        self._picture: Image | None = None  # of the last frame, without anything said over it
        self._figures = Status()  # those in the corner
        self._figures_until_s = 0.0
        self._notice, self._notice_until_s = HINT, NOTICE_S
        self._trouble: str | None = None
        self._shows_help = False
        self._is_paused = self._was_paused = False
        self._paused_at_s = 0.0
        self.recorder = Recorder(self._drawn, settings.style.min_part_score, self.recording_failed)
        self.meanwhile: Callable[[], None] = lambda: None  # what to do while no frame comes
        self.has_failed = False  # a file that was asked for could not be written

    def frames(self) -> Iterator[Frame]:
        """The newest frames, one whenever it is asked for; `meanwhile` is called time and again while none comes.

        Where the program is a little slower than the camera, a picture may have waited for most of the time between
        two: taking the next one instead costs a few frames a second, and shows what happens a third sooner.
        """
        busy_s = math.inf  # that the last frame took
        while True:
            frame = self._source.take(WAIT_S, FRESH * busy_s)
            if frame is None:
                if self._source.is_over:
                    return
                self._tell(self._source.trouble)
                self.meanwhile()
                continue
            self._tell(self._source.trouble)
            taken_s = self._source.now_s
            yield frame
            if not self._was_paused:
                busy_s = self._source.now_s - taken_s
                if self._adaptive is not None:
                    self._use(size=self._adaptive.add(busy_s))
            self._was_paused = False

    @property
    def is_held(self) -> bool:
        """Whether the picture is to stay: a pause."""
        return self._is_paused and not self._source.is_over

    def picture(self, frame: Frame, poses: Poses) -> Image:
        """What to show of a frame: people as in a mirror, if so wished, and text that can be read."""
        self._last = frame, poses
        if self._settings.is_mirrored:
            width = frame.image.shape[1]
            frame, poses = replace(frame, image=_flipped(frame.image)), poses.mirrored(width)
        self._picture = self._drawn(frame, poses)
        if self._source.now_s >= self._figures_until_s:
            self._figures = Status(self._meter.fps, self._meter.latency_s, len(poses), self._setting())
            self._figures_until_s = self._source.now_s + READING_S
        return self._with_text(self._picture)

    def still(self) -> Image | None:
        """The last picture, with what is to be said by now."""
        return None if self._picture is None else self._with_text(self._picture)

    def shown(self, frame: Frame) -> None:
        """A frame is on the screen now."""
        assert frame.time_s is not None  # frames of a live source have one
        self._meter.add(self._source.now_s, self._source.now_s - frame.time_s)

    def press(self, key: int) -> None:
        """Do what a key asks for."""
        match action_of(key):
            case Action.QUIT:
                self.close()
            case Action.PAUSE:
                self._pause()
            case Action.SNAPSHOT:
                self._save_picture()
            case Action.RECORD:
                self._switch_recording()
            case Action.HELP:
                self._shows_help = not self._shows_help
            case (Action.FAST | Action.BALANCED | Action.BEST) as action:
                self._choose(_QUALITIES[action])

    def close(self) -> None:
        """End the session."""
        self._source.stop()

    def recording_failed(self, error: OutputError) -> None:
        """Say so, and go on without; or raise the error, where there must be a recording."""
        self.has_failed = True
        if self._settings.must_record:
            raise error
        self._note(f"not recorded: {error}")
        self._say(str(error))

    def _drawn(self, frame: Frame, poses: Poses) -> Image:
        return np.asarray(draw(frame.image, poses, self._settings.style), np.uint8)

    def _with_text(self, picture: Image) -> Image:
        canvas: Image = picture.copy()
        now_s = self._source.now_s
        notice = "paused; space goes on" if self._is_paused else self._notice if now_s < self._notice_until_s else ""
        overlay(
            canvas,
            replace(
                self._figures,
                recorded_s=self.recorder.seconds if self.recorder.is_on else None,
                notice=notice,
                trouble=self._source.trouble,
                shows_help=self._shows_help,
            ),
        )
        return canvas

    def _setting(self) -> str:
        options = self._estimator.options
        return f"{options.quality} {options.size}" if options.quality else f"{options.size} px"

    def _tell(self, trouble: str | None) -> None:
        """Say it once when the source is in trouble, and when it is out of it."""
        if trouble != self._trouble:
            self._say(trouble if trouble is not None else f"{self._source.clip.name} is back")
            self._trouble = trouble

    def _note(self, text: str) -> None:
        self._notice, self._notice_until_s = text, self._source.now_s + NOTICE_S

    def _pause(self) -> None:
        self._is_paused = not self._is_paused
        self._was_paused = True
        if self._is_paused:
            self._paused_at_s = self._source.now_s
        else:
            self.recorder.leave_out(self._paused_at_s, self._source.now_s)
        self._meter.forget()

    def _save_picture(self) -> None:
        if self._last is None:
            return
        path = self._new_path(".png")
        try:
            write_whole(path, _png(self._drawn(*self._last)))
        except OutputError as error:
            self.has_failed = True
            self._note(f"not saved: {error}")
            self._say(str(error))
        else:
            self._note(f"saved {path}")
            self._say(f"saved {path}")

    def _switch_recording(self) -> None:
        if not self.recorder.is_on:
            path = self._new_path(".mp4")
            self.recorder.start(path)
            self._note(f"recording to {path}")
            self._say(f"recording to {path}")
            return
        try:
            self.recorder.stop()
        except OutputError as error:
            self.recording_failed(error)
        else:
            self._note("recording saved")
            self._say("recording saved")

    def _new_path(self, suffix: str) -> Path:
        return free_path(self._settings.folder / f"posecli-{self._today():%Y%m%d-%H%M%S}{suffix}")

    def _choose(self, quality: QualityName) -> None:
        chosen = QUALITIES[quality]
        size, scales = int(chosen["size"]), chosen.get("scales", EstimatorOptions().scales)
        if self._adaptive is not None:
            self._adaptive.restart(size)
        self._use(quality=quality, size=size, scales=scales)
        self._figures_until_s = 0.0
        self._note(f"quality: {quality}")
        self._say(f"quality: {quality}")

    def _use(self, **changes: Any) -> None:
        """See the frames that come with other options; the decoder stays what was asked for."""
        options = self._estimator.options
        if any(getattr(options, name) != value for name, value in changes.items()):
            self._estimator.options = replace(options, **changes)


def _flipped(image: Image) -> Image:
    return np.asarray(cv2.flip(image, 1), np.uint8)


def _png(image: Image) -> bytes:
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return data.tobytes()
