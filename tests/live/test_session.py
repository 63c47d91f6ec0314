"""A session as a whole: a camera, an estimator and a screen that the test commands, the real pipeline between."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_parts import WAIT_S, Clock, FakeCamera, FakeScreen, picture
from pipeline_parts import Counting
from posecli.draw import DrawStyle
from posecli.errors import InputError, OutputError
from posecli.live import session as session_module
from posecli.live.adaptive import Adaptive
from posecli.live.overlay import Status
from posecli.live.session import Session, Settings
from posecli.opencv import cv2
from posecli.options import resolve_options
from posecli.pipeline import Report, run
from posecli.poses import Poses
from posecli.sinks.window import Window
from posecli.sources import Frame
from posecli.sources.devices import Device, LostError, Wait
from posecli.sources.live import LiveSource

NOON = datetime(2026, 5, 4, 12, 0, 0)
WIDTH = 64


class Estimator(Counting):
    """Finds as many people as the picture is bright; each lies on the left."""

    def __init__(self) -> None:
        super().__init__()
        self.options = resolve_options(quality="fast")
        self.seen: list[tuple[Any, ...]] = []  # the options each frame was seen with

    def prepare(self, image: Any) -> Any:
        self.seen.append((self.options.quality, self.options.size, self.options.scales))
        return super().prepare(image)

    def finish(self, letter: Any, people: int) -> Poses:
        poses = super().finish(letter, people)
        return poses.with_xy(poses.xy + np.float32(5))


class Stage:
    """All parts of a session, and what they have said."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.camera, self.estimator = Clock(), FakeCamera(1), Estimator()
        self.next_cameras: list[FakeCamera] = []
        self.said: list[str] = []
        self.statuses: list[Status] = []
        self.report = Report()
        self.folder = folder
        real = session_module.overlay

        def overlay(canvas: Any, status: Status) -> None:
            self.statuses.append(status)
            real(canvas, status)

        monkeypatch.setattr(session_module, "overlay", overlay)
        monkeypatch.setattr(session_module, "WAIT_S", 0.001)

    @contextmanager
    def session(self, *, adaptive: Adaptive | None = None, **settings: Any) -> Iterator[Session]:
        cameras = iter([self.camera, *self.next_cameras])

        def open_device(wait: Wait) -> Device:
            return next(cameras)

        with LiveSource(open_device, "camera-0", 0, clock=self.clock, wait=lambda seconds: False) as source:
            style = DrawStyle(min_part_score=0.0)
            try:
                yield Session(
                    source,
                    self.estimator,  # type: ignore[arg-type]  # as far as the pipeline needs one
                    Settings(self.folder, style, **settings),
                    adaptive=adaptive,
                    say=self.said.append,
                    today=lambda: NOON,
                )
            finally:
                for camera in (self.camera, *self.next_cameras):
                    camera.let_go()

    def show(self, session: Session, *keys: str | Callable[[], None] | None) -> FakeScreen:
        """Run the session with these keys, the next picture coming after each frame, until one quits."""
        screen = FakeScreen(keys)
        window = Window("posecli", session, screen)
        session.meanwhile = window.refresh
        run(session.frames(), self.estimator, [window, session.recorder], self.report, workers=0)  # type: ignore[arg-type]
        return screen

    def step(self, value: int = 1, seconds: float = 1 / 30) -> Callable[[], None]:
        """As a key: the camera's next picture comes."""

        def come() -> None:
            self.clock.now += seconds
            self.camera.wait_until_asked()
            self.camera.give(value)

        return come


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path / "out", monkeypatch)


def test_frames_are_shown_until_q(stage: Stage) -> None:
    with stage.session() as session:
        screen = stage.show(session, stage.step(2), stage.step(3), "q")
    assert stage.report.images == 3
    assert stage.report.people == 6
    assert [status.people for status in stage.statuses[:1]] == [1]
    assert len(screen.images) == 3
    assert screen.events == ["open posecli", "close"]
    assert stage.said == []


@pytest.mark.parametrize("key", ["q", "\x1b"])
def test_keys_that_quit(stage: Stage, key: str) -> None:
    with stage.session() as session:
        stage.show(session, key)
    assert stage.report.images == 1


def test_a_window_closed_by_hand_ends_it(stage: Stage) -> None:
    with stage.session() as session:
        session.close()
        assert list(session.frames()) == []


def test_the_corner_tells_rate_and_latency(stage: Stage) -> None:
    with stage.session() as session:
        keys = [stage.step(1, 0.05) for _ in range(20)]
        stage.show(session, *keys, "q")
    last = stage.statuses[-1]
    assert last.fps == pytest.approx(20, rel=0.01)
    assert last.latency_s == pytest.approx(0.05, abs=1e-4)  # the clock goes on while a frame is shown
    assert last.setting == "fast 385"
    assert len({(status.fps, status.latency_s) for status in stage.statuses}) <= 6  # they stand still to be read


def test_the_view_is_mirrored_and_what_is_saved_is_not(stage: Stage) -> None:
    image = picture(0)
    image[0, 0, 0] = 1  # one person, on the left
    image[:, WIDTH // 2 :] = 200  # the right half is light
    stage.camera = FakeCamera(image)
    with stage.session(is_mirrored=True) as session:
        screen = stage.show(session, "s", "q")
    (saved,) = stage.folder.glob("*.png")
    plain = cv2.cvtColor(cv2.imread(str(saved)), cv2.COLOR_BGR2RGB)
    assert plain[30, 60].tolist() == [200, 200, 200]
    assert plain[5, 5].max() > 100  # the person, where the camera saw it
    assert screen.images[0][24, 3].min() > 150  # the light half; its text is in the corners and at the foot
    assert screen.images[0][24, 60].max() < 50
    assert stage.said == [f"saved {saved}"]


def test_people_stand_where_the_mirror_shows_them(stage: Stage) -> None:
    stage.camera = FakeCamera(image := picture(0, (240, 320)))
    image[0, 0, 0] = 1
    with stage.session(is_mirrored=True) as session:
        frame = Frame(image, 0, 0.0, "camera-0")
        poses = Poses(np.full((1, 17, 2), 200, np.float32), np.ones((1, 17), np.float32), np.ones(1, np.float32))
        session.picture(frame, poses)
        assert session._picture is not None
        assert session._picture[200, 319 - 200].max() > 100
        assert session._picture[200, 200].max() == 0
        assert session._drawn(frame, poses)[200, 200].max() > 100


def test_space_pauses_and_goes_on_with_the_newest_picture(stage: Stage) -> None:
    def meanwhile() -> None:
        assert stage.report.images == 0  # the first is held
        stage.step(7, 10.0)()

    with stage.session() as session:
        stage.show(session, " ", None, meanwhile, " ", "q")
        assert not session.is_held
    assert stage.report.images == 2
    assert stage.report.people == 8
    assert {status.notice for status in stage.statuses} >= {"paused; space goes on"}
    assert stage.statuses[-1].notice != "paused; space goes on"


def test_quitting_while_paused(stage: Stage) -> None:
    with stage.session() as session:
        stage.show(session, " ", "q")
    assert stage.report.images == 1


def test_help_comes_and_goes(stage: Stage) -> None:
    with stage.session() as session:
        stage.show(session, "h", stage.step(), "h", stage.step(), "x", stage.step(), "q")
    assert [status.shows_help for status in stage.statuses if status.shows_help]
    assert not stage.statuses[-1].shows_help
    assert not stage.statuses[0].shows_help


def test_qualities_by_key(stage: Stage) -> None:
    with stage.session() as session:
        keys = [key for digit in "231" for key in (digit, stage.step(), stage.step())]
        stage.show(session, stage.step(), *keys, stage.step(), "q")
    seen = list(dict.fromkeys(stage.estimator.seen))
    assert seen == [("fast", 385, (1.0,)), ("balanced", 641, (1.0,)), ("best", 641, (0.6, 1.0, 1.6))]
    assert stage.estimator.options == resolve_options(quality="fast")
    assert "quality: best" in {status.notice for status in stage.statuses}


def test_adaptive_looks_less_closely_at_what_takes_too_long_but_not_for_a_pause(stage: Stage) -> None:
    def take_long() -> None:
        stage.clock.now += 0.08
        stage.step(1, 0.0)()

    with stage.session(adaptive=Adaptive(20, 385, 16)) as session:
        stage.show(session, *[take_long] * 30, "q")
    sizes = [size for _, size, _ in stage.estimator.seen]
    assert sizes[0] == 385
    assert sizes[-1] < 385


def test_a_pause_is_no_work(stage: Stage) -> None:
    added: list[float] = []

    class Listening(Adaptive):
        def add(self, busy_s: float) -> int:
            added.append(busy_s)
            return super().add(busy_s)

    with stage.session(adaptive=Listening(20, 385, 16)) as session:
        stage.show(session, stage.step(), " ", stage.step(1, 60.0), " ", stage.step(), "q")
    assert len(added) == 3  # not the second frame, which was held
    assert max(added) < 1


def test_a_lost_camera_is_told_once_and_shown_until_it_is_back(stage: Stage) -> None:
    back = FakeCamera()
    stage.next_cameras = [back]

    def lose() -> None:
        stage.camera.wait_until_asked()
        stage.camera._tell(LostError("camera 0 gives no more pictures"))
        back.wait_until_asked()

    with stage.session() as session:
        stage.show(session, lose, None, None, lambda: back.give(4), None, "q")
    assert stage.said[0].startswith("camera 0 gives no more pictures; trying again")
    assert stage.said[-1] == "camera-0 is back"
    assert any(status.trouble is not None for status in stage.statuses)
    assert stage.statuses[-1].trouble is None
    assert stage.report.people == 5
    assert stage.report.exit_code == 0


def test_a_snapshot_that_cannot_be_saved(stage: Stage) -> None:
    stage.folder.write_text("in the way")
    with stage.session() as session:
        session.press(ord("s"))  # before there is a picture
        assert stage.said == []
        stage.show(session, "s", stage.step(), "q")
        assert session.has_failed
    assert "cannot be written" in stage.said[0]
    assert any("not saved" in status.notice for status in stage.statuses)


def test_snapshots_of_one_second_have_names_of_their_own(stage: Stage) -> None:
    with stage.session() as session:
        stage.show(session, "s", stage.step(), "s", stage.step(), "q")
    assert sorted(path.name for path in stage.folder.iterdir()) == [
        "posecli-20260504-120000-2.png",
        "posecli-20260504-120000.png",
    ]


class FakeRecorder:
    """Tells a session what happens to recordings."""

    def __init__(self, error: OutputError | None = None) -> None:
        self.is_on, self.seconds, self.error = False, 1.5, error

    def start(self, path: Path) -> None:
        self.is_on, self.path = True, path

    def leave_out(self, start_s: float, end_s: float) -> None:
        pass

    def stop(self) -> None:
        self.is_on = False
        if self.error is not None:
            raise self.error


def test_r_records_and_stops(stage: Stage) -> None:
    with stage.session() as session:
        session.recorder = recorder = FakeRecorder()  # type: ignore[assignment]
        session.press(ord("r"))
        assert recorder.is_on
        assert recorder.path == stage.folder / "posecli-20260504-120000.mp4"
        session.picture(Frame(picture(1), 0, 0.0, "camera-0"), Poses.empty())
        assert stage.statuses[-1].recorded_s == 1.5
        session.press(ord("R"))
        assert not recorder.is_on
    assert stage.said == [f"recording to {recorder.path}", "recording saved"]
    assert not session.has_failed


def test_a_pause_is_no_part_of_a_recording(stage: Stage) -> None:
    with stage.session() as session:
        stage.show(session, "r", stage.step(), stage.step(), " ", stage.step(1, 3600.0), " ", stage.step(), "q")
    (lines,) = stage.folder.glob("*.jsonl")
    assert [json.loads(line)["time_s"] for line in lines.read_text().splitlines()][-1] < 1


@pytest.mark.parametrize("is_paused", [False, True])
def test_what_ends_the_camera_is_told_though_its_pictures_were_all_taken(stage: Stage, is_paused: bool) -> None:
    def break_down() -> None:
        stage.camera.wait_until_asked()
        stage.camera._tell(InputError("camera 0 is broken"))
        assert session._source._thread is not None
        session._source._thread.join(WAIT_S)

    with stage.session() as session, pytest.raises(InputError, match="broken"):
        stage.show(session, *" " * is_paused, break_down, None, None)


def test_a_recording_that_fails_is_told_and_the_session_goes_on(stage: Stage) -> None:
    with stage.session() as session:
        session.recorder = FakeRecorder(OutputError("disk full"))  # type: ignore[assignment]
        session.press(ord("r"))
        session.press(ord("r"))
        assert session.has_failed
        assert not session.is_held
    assert stage.said[-1] == "disk full"


def test_a_recording_that_there_must_be_ends_the_session_when_it_fails(stage: Stage) -> None:
    stage.folder.write_text("in the way")
    with stage.session(must_record=True) as session:
        session.recorder.start(stage.folder / "a.mp4")
        with pytest.raises(OutputError, match="cannot be written"):
            stage.show(session, None, "q")
        assert session.has_failed
