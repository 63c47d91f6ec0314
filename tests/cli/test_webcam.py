"""`posecli webcam` and `posecli cameras` as people type them; for the real window see tests/live."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread, current_thread
from typing import Any

import av
import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from live_parts import WAIT_S, Clock, FakeCamera, FakeScreen, picture, write_video
from pipeline_parts import Counting
from posecli.cli import runs, watching
from posecli.cli.cameras import cameras
from posecli.cli.watching import Request, live_source, watch
from posecli.cli.webcam import webcam
from posecli.draw import DrawStyle
from posecli.errors import InputError, WeightsError
from posecli.live.session import Session, Settings
from posecli.options import EstimatorOptions, FollowOptions, resolve_options
from posecli.sinks import Header
from posecli.sources import Frame, devices
from posecli.sources import cameras as cameras_module
from posecli.sources.cameras import Camera
from posecli.sources.devices import Device, Wait
from posecli.sources.live import LiveSource

Run = Callable[..., Result]
HEADLESS = ("--headless", "--poses", "-")

app = typer.Typer()
app.command("webcam")(webcam)
app.command("cameras")(cameras)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type a command in an empty folder, without a display and without a camera."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cameras_module, "list_cameras", lambda: ())
    monkeypatch.setattr(watching, "open_camera", no_camera)

    def typed(*words: str, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    return typed


def no_camera(options: devices.CameraOptions) -> Device:
    raise InputError(f"camera {options.index} cannot be opened; connect one")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", [90] * 12, (96, 128), fps=30)


def test_poses_of_a_file_as_json_lines(run: Run, clip: Path) -> None:
    result = run("webcam", "--source", str(clip), *HEADLESS, "--size", "161")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines
    assert {(line["name"], line["width"], line["height"]) for line in lines} == {("clip.mp4", 128, 96)}
    indices, times = [line["index"] for line in lines], [line["time_s"] for line in lines]
    assert indices == sorted(set(indices))
    assert indices[-1] == 11
    assert times == sorted(times)
    assert re.search(rf"^{len(lines)} frames · [\d.]+ frames/s$", result.stderr, re.MULTILINE)


def test_quiet_is_quiet(run: Run, clip: Path) -> None:
    result = run("webcam", "--source", str(clip), "--headless", "--record", "a.mp4", "--size", "161", "--quiet")
    assert result.output == ""
    with av.open("a.mp4") as container:
        frames = len(list(container.decode(video=0)))
    assert frames == len(Path("a.jsonl").read_text().splitlines()) > 0


def test_other_formats_by_suffix(run: Run, clip: Path) -> None:
    result = run("webcam", "--source", str(clip), "--headless", "--poses", "out/a.json", "--size", "161")
    assert json.loads(Path("out/a.json").read_text())["frames"]
    assert "→ out/a.json" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="displays of Linux")
def test_no_display(run: Run, clip: Path) -> None:
    result = run("webcam", "--source", str(clip), exit_code=2)
    assert "no display here that OpenCV can use (X11); run without a window: --headless --poses -" in result.stderr


def test_no_camera(run: Run) -> None:
    result = run("webcam", *HEADLESS, exit_code=1)
    assert result.stderr == "error: camera 0 cannot be opened; connect one\n"
    assert "camera 3" in run("webcam", "--camera", "3", *HEADLESS, exit_code=1).stderr
    assert "camera 5" in run("webcam", "--source", "/dev/video5", *HEADLESS, exit_code=1).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--headless"], "nothing to do; give --poses -"),
        ([*HEADLESS, "--resolution", "big"], "WIDTHxHEIGHT"),
        ([*HEADLESS, "--resolution", "0x10"], "at least 1x1"),
        ([*HEADLESS, "--camera", "-1"], "posecli cameras lists them"),
        ([*HEADLESS, "--fps", "0"], "--fps"),
        ([*HEADLESS, "--source", "clip.mp4", "--fps", "30"], "leave them out with --source"),
        ([*HEADLESS, "--source", "none.mp4"], "none.mp4: no such file"),
        ([*HEADLESS, "--adaptive", "--target-fps", "0"], "--target-fps"),
        ([*HEADLESS, "--target-fps", "25"], "add --adaptive"),
        ([*HEADLESS, "--workers", "2"], "--workers"),
        ([*HEADLESS, "--batch-size", "2"], "--batch-size"),
        (["--headless", "--poses", "a.xyz"], "--poses"),
        (["--headless", "--record", "a.avi"], ".mp4"),
        (["--headless", "--record", "clip.mp4"], "there already"),
        (["--headless", "--record", "b.mp4", "--poses", "./b.jsonl"], "the recording's own poses go there"),
        (["--headless", "--record", "lines.mp4"], "lines.jsonl is there already"),
        ([*HEADLESS, "--style", "modem"], "did you mean modern?"),
        ([*HEADLESS, "--quality", "bets"], "did you mean best?"),
    ],
)
def test_wrong_usage(run: Run, clip: Path, words: list[str], message: str) -> None:
    Path("lines.jsonl").touch()
    result = run("webcam", *words, exit_code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_the_help_tells_keys_and_defaults(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    page = " ".join(re.sub(r"[│╭╮╰╯─]", " ", run("webcam", "--help").stdout).split())
    assert "q or Esc quits, space pauses" in page
    assert "[default: fast]" in page
    assert "--no-mirror-view" in page


def test_fast_is_the_default_and_gives_way(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str | None, int]] = []
    monkeypatch.setattr(
        watching,
        "watch",
        lambda request, style, options, following, **rest: seen.append((options.quality, options.size)),
    )
    run("webcam")
    run("webcam", "--size", "641")
    run("webcam", "--quality", "best")
    assert seen == [("fast", 385), ("fast", 641), ("best", 641)]


def source_of(camera: FakeCamera, clock: Clock) -> LiveSource:
    def open_device(wait: Wait) -> Device:
        return camera

    return LiveSource(open_device, "camera-0", 0, clock=clock)


@pytest.fixture
def no_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    """The screen's keys are for the session."""
    monkeypatch.setattr(watching, "preview", lambda source, screen, load, **named: (load(), []))


@pytest.mark.usefixtures("no_preview")
def test_a_window_with_everything_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock, camera = Clock(), FakeCamera(picture(90, (96, 128)))

    def next_picture() -> None:
        clock.now += 0.05
        camera.wait_until_asked()
        camera.give(picture(100, (96, 128)))

    screen = FakeScreen([next_picture, "q"])
    watch(
        Request(poses=str(tmp_path / "b.jsonl"), record=tmp_path / "a.mp4", target_fps=20.0),
        DrawStyle(),
        resolve_options(quality="fast", size=161),
        FollowOptions(smooth=True),
        fetch=False,
        quiet=False,
        source=source_of(camera, clock),
        screen=screen,
    )
    camera.let_go()
    assert screen.events == ["open posecli", "open posecli", "close", "close"]
    assert len(screen.images) == 2
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == 2
    assert "2 frames" in capsys.readouterr().err


def watch_in_window(tmp_path: Path, screen: FakeScreen, camera: FakeCamera, *, fetch: bool = False) -> None:
    watch(
        Request(folder=tmp_path / "out"),
        DrawStyle(),
        resolve_options(quality="fast", size=97),
        FollowOptions(),
        fetch=fetch,
        quiet=True,
        source=source_of(camera, Clock()),
        screen=screen,
    )


def test_the_camera_is_seen_while_the_model_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, real = Event(), watching.ready

    def ready(*given: Any, **named: Any) -> Any:
        assert seen.wait(WAIT_S)
        return real(*given, **named)

    monkeypatch.setattr(watching, "ready", ready)
    screen = FakeScreen(["2", seen.set, *[None] * 10_000])  # the key counts once the session begins
    monkeypatch.setattr(Session, "shown", lambda session, frame: session.press(ord("q")))
    pressed: list[int] = []
    press = Session.press
    monkeypatch.setattr(Session, "press", lambda session, key: (pressed.append(key), press(session, key)))
    watch_in_window(tmp_path, screen, FakeCamera(picture(90, (96, 128)), None))
    assert len(screen.images) == 2  # once raw, once with people
    assert [chr(key) for key in pressed] == ["2", "q"]
    assert screen.events == ["open posecli", "open posecli", "close", "close"]


@pytest.mark.parametrize("how", ["q", "by hand"])
def test_quitting_while_the_model_is_loaded(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, left = Event(), Event()

    def ready(*given: Any, **named: Any) -> None:
        begun.set()
        assert left.wait(WAIT_S)

    def wait_until_it_has_begun() -> None:
        assert begun.wait(WAIT_S)

    def close() -> None:
        screen.was_closed_by_hand = True

    monkeypatch.setattr(watching, "ready", ready)
    screen = FakeScreen([None, wait_until_it_has_begun, "q" if how == "q" else close])
    camera = FakeCamera(picture(90))
    watch_in_window(tmp_path, screen, camera)
    left.set()
    camera.let_go()
    assert screen.events == ["open posecli", "close"]
    assert not (tmp_path / "out").exists()


def test_what_is_fetched_is_fetched_before_the_window_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another thread, Ctrl-C would not end a download."""
    threads: list[Thread] = []

    def ready(options: EstimatorOptions, *, fetch: bool, quiet: bool) -> None:
        assert fetch
        threads.append(current_thread())
        raise WeightsError("no weights for it")

    monkeypatch.setattr(watching, "ready", ready)
    screen = FakeScreen()
    with pytest.raises(WeightsError):
        watch_in_window(tmp_path, screen, FakeCamera(picture(90), None), fetch=True)
    assert threads == [current_thread()]
    assert screen.events == []


def test_a_model_that_cannot_be_loaded_closes_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise WeightsError("no weights for it")

    monkeypatch.setattr(watching, "ready", refuse)
    screen, camera = FakeScreen(), FakeCamera(picture(90))
    with pytest.raises(WeightsError):
        watch_in_window(tmp_path, screen, camera)
    camera.let_go()
    assert screen.events == ["open posecli", "close"]


def watch_headless(request: Request, camera: FakeCamera) -> None:
    watch(
        request,
        DrawStyle(),
        resolve_options(quality="fast", size=97),
        FollowOptions(),
        fetch=False,
        quiet=True,
        source=source_of(camera, Clock()),
    )


class Closed:
    """Standard output that somebody read a line of, and no more."""

    def __init__(self) -> None:
        self.buffer, self.writes = self, 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        if self.writes > 1:
            raise BrokenPipeError

    def flush(self) -> None:
        pass


def test_without_a_window_it_ends_when_nobody_reads_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as in `posecli webcam --headless --poses - | head`."""
    stdout = Closed()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(LiveSource, "take", one_after_another(picture(90), iter(range(50))))
    with pytest.raises(BrokenPipeError):
        watch_headless(Request(has_window=False, poses="-"), FakeCamera(picture(90), None))
    assert stdout.writes == 2


def one_after_another(image: NDArray[np.uint8], numbers: Iterator[int]) -> Callable[..., Frame | None]:
    """In place of `LiveSource.take`: a frame whenever it is asked for, until there are no more numbers."""

    def take(source: LiveSource, *_: float) -> Frame | None:
        number = next(numbers, None)
        if number is None:
            source.stop()
            return None
        return Frame(image, number, number / 10, "camera-0", source.clip)

    return take


def test_a_recording_goes_on_when_nobody_reads_the_poses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(LiveSource, "take", one_after_another(picture(90), iter(range(5))))
    watch_headless(Request(has_window=False, poses="-", record=tmp_path / "a.mp4"), FakeCamera(picture(90), None))
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 5


def test_each_frame_is_shown_before_the_next_is_taken_whatever_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU takes several frames at once elsewhere; here they would be late."""
    estimator = Counting(device="cuda:0")
    monkeypatch.setattr(watching, "ready", lambda *given, **named: estimator)
    monkeypatch.setattr(runs, "header", lambda *given: Header({}, {}))
    monkeypatch.setattr(LiveSource, "take", one_after_another(picture(1), iter(range(4))))
    watch_headless(Request(has_window=False, poses=str(tmp_path / "a.jsonl")), FakeCamera(picture(90), None))
    assert [len(batch) for batch in estimator.batches] == [1] * 4


def test_what_vanishes_fades_in_the_window_too(monkeypatch: pytest.MonkeyPatch) -> None:
    styles: list[DrawStyle] = []
    real = watching.Session

    def session(source: LiveSource, estimator: object, settings: Settings, **named: object) -> Session:
        styles.append(settings.style)
        return real(source, estimator, settings, **named)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(watching, "Session", session)
    watch_headless(Request(has_window=False, poses="-"), FakeCamera(picture(90), None))
    assert [style.fades for style in styles] == [True]


@pytest.mark.usefixtures("no_preview")
def test_a_key_s_recording_that_fails_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("in the way")
    camera = FakeCamera(picture(90, (96, 128)))
    with pytest.raises(typer.Exit) as caught:
        watch(
            Request(folder=tmp_path / "out"),
            DrawStyle(),
            resolve_options(quality="fast", size=161),
            FollowOptions(),
            fetch=False,
            quiet=False,
            source=source_of(camera, Clock()),
            screen=FakeScreen(["s", "q"]),
        )
    camera.let_go()
    assert caught.value.exit_code == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("request_", "name", "location", "mirrored"),
    [
        (Request(), "camera-0", 0, True),
        (Request(camera=2, is_mirrored=False), "camera-2", 2, False),
        (Request(source="/dev/video3"), "camera-3", 3, True),
        (Request(source="clips/a.mp4"), "a.mp4", Path("clips/a.mp4"), False),
        (Request(source="rtsp://host/door", is_mirrored=True), "door", "rtsp://host/door", True),
    ],
)
def test_what_is_the_camera_and_whether_it_is_a_mirror(
    request_: Request, name: str, location: object, mirrored: bool
) -> None:
    source = live_source(request_)
    assert (source.clip.name, source.clip.location, source.clip.is_live) == (name, location, True)
    assert watching._is_mirrored(request_, resolve_options()) is mirrored
    assert not watching._is_mirrored(request_, resolve_options(mirror=True))  # the results are mirrored already


def test_cameras(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("cameras")
    assert "no camera found" in result.stderr
    assert result.stdout == ""
    found = (Camera(0, "Integrated [front] Camera"), Camera(2, None, accessible=False))
    monkeypatch.setattr(cameras_module, "list_cameras", lambda: found)
    monkeypatch.setenv("COLUMNS", "200")
    rows = run("cameras").stdout.splitlines()
    assert rows[1].split() == ["0", "Integrated", "[front]", "Camera", "posecli", "webcam", "--camera", "0"]
    assert "sudo usermod -aG video $USER" in rows[2]
    assert [camera["index"] for camera in json.loads(run("cameras", "--json").stdout)] == [0, 2]


def test_no_cameras_as_json(run: Run) -> None:
    assert json.loads(run("cameras", "--json").stdout) == []
