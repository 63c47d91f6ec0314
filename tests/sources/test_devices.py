"""Cameras as OpenCV opens them, files at their own speed, and streams on loopback that break off."""

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from live_parts import WAIT_S, Clock, write_video
from posecli.errors import InputError, MissingPathError, UsageError
from posecli.opencv import cv2
from posecli.sources import devices
from posecli.sources.cameras import Camera
from posecli.sources.devices import (
    CameraOptions,
    LostError,
    StreamDevice,
    camera_of,
    is_address,
    open_camera,
    open_stream,
    stream_name,
)
from posecli.sources.live import LiveSource
from posecli.sources.opening import open_video


class FakeCapture:
    """What OpenCV opens a camera with."""

    opened = True

    def __init__(self, index: int) -> None:
        self.index = index
        self.settings: dict[int, float] = {}
        self.is_released = False
        self.pictures = [np.full((4, 6, 3), (1, 2, 3), np.uint8)]
        captures.append(self)

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return self.opened

    def set(self, setting: int, value: float) -> bool:
        self.settings[setting] = value
        return True

    def get(self, setting: int) -> float:
        return self.settings.get(setting, 0.0)

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        return (True, self.pictures.pop()) if self.pictures else (False, None)

    def release(self) -> None:
        self.is_released = True


captures: list[FakeCapture] = []


@pytest.fixture(autouse=True)
def _captures(monkeypatch: pytest.MonkeyPatch) -> None:
    captures.clear()
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)


def test_a_camera_is_asked_for_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    camera = open_camera(CameraOptions(2, (640, 480), 25.0))
    (capture,) = captures
    assert capture.index == 2
    wanted = {cv2.CAP_PROP_FRAME_WIDTH: 640, cv2.CAP_PROP_FRAME_HEIGHT: 480, cv2.CAP_PROP_FPS: 25.0}
    assert wanted.items() <= capture.settings.items()
    assert next(iter(capture.settings)) == cv2.CAP_PROP_FOURCC  # or the size would be that of another format
    assert camera.fps == 25.0
    pixels = camera.read()
    assert pixels is not None
    assert pixels()[0, 0].tolist() == [3, 2, 1]  # RGB
    with pytest.raises(LostError, match="camera 2"):
        camera.read()
    camera.close()
    assert capture.is_released


def test_a_camera_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert open_camera(CameraOptions()).fps is None
    assert set(captures[0].settings) == {cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT}


@pytest.mark.parametrize(
    ("platform", "cameras", "remedy"),
    [
        ("linux", (), "none is connected (posecli cameras"),
        ("linux", (Camera(1, "a"), Camera(4, None)), "choose with --camera among 1, 4"),
        ("linux", (Camera(0, "a", accessible=False),), "sudo usermod -aG video $USER"),
        ("linux", (Camera(0, "a"),), "another program may be using it"),
        ("darwin", (), "System Settings > Privacy & Security > Camera"),
        ("win32", (), "Settings > Privacy & security > Camera"),
    ],
)
def test_a_camera_that_cannot_be_opened(
    platform: str, cameras: tuple[Camera, ...], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(devices, "list_cameras", lambda: cameras)
    monkeypatch.setattr(FakeCapture, "opened", False)
    with pytest.raises(InputError) as caught:
        open_camera(CameraOptions())
    assert str(caught.value).startswith("camera 0 cannot be opened; ")
    assert remedy in str(caught.value)
    assert captures[0].is_released


@pytest.mark.parametrize(
    "options", [{"index": -1}, {"resolution": (0, 480)}, {"fps": 0.0}, {"fps": float("nan")}, {"fps": 2000.0}]
)
def test_options_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="got"):
        CameraOptions(**options)


@pytest.mark.parametrize(
    ("source", "camera", "address", "name"),
    [
        ("/dev/video3", 3, False, "video3"),
        ("clips/a.mp4", None, False, "a.mp4"),
        ("C:/clips/a.mp4", None, False, "a.mp4"),
        ("rtsp://me:secret@10.0.0.7:554/live/door?token=1", None, True, "door"),
        ("http://host/", None, True, "host"),
        ("http://[half/an/address", None, True, "stream"),
    ],
)
def test_what_a_source_is(source: str, camera: int | None, address: bool, name: str) -> None:
    assert camera_of(source) == camera
    assert is_address(source) is address
    assert stream_name(source) == name


class Pauses:
    """A wait that moves the clock on, and remembers."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.waits, self.is_over = clock, [], False

    waits: list[float]

    def __call__(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.clock.now += seconds
        return self.is_over


def test_a_file_plays_at_its_own_speed_to_its_end(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(0, 200, 20), fps=10)
    clock = Clock()
    wait = Pauses(clock)
    player = open_stream(str(path), wait, clock)
    assert player.fps == 10
    values = []
    for number in range(10):
        pixels = player.read()
        assert pixels is not None
        values.append(int(pixels().mean()))
        assert clock.now == pytest.approx(1000 + number / 10 + max(0, number - 5) * 0.02)
        clock.now += 0.03 if number < 5 else 0.12  # the reader is quick, then too slow
    assert values == pytest.approx(range(0, 200, 20), abs=3)
    assert player.read() is None
    player.close()
    assert wait.waits[1:6] == pytest.approx([0.07] * 5)
    assert wait.waits[-1] == 0.0


def test_a_file_that_is_stopped_while_it_waits(tmp_path: Path) -> None:
    wait = Pauses(Clock())
    wait.is_over = True
    player = open_stream(str(write_video(tmp_path / "a.mp4", [1, 2])), wait, wait.clock)
    assert player.read() is None
    player.close()


def test_a_truncated_file_plays_to_the_cut(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", range(0, 250, 5), format="mpegts")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    clock = Clock()
    player = open_stream(str(path), Pauses(clock), clock)
    count = 0
    while player.read() is not None:
        count += 1
    assert 10 < count < 50
    player.close()


def no_wait(seconds: float) -> bool:
    return False


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match="--source"):
        open_stream(str(tmp_path / "none.mp4"), no_wait)


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("not a video")
    with pytest.raises(InputError, match=r"a\.mp4: not a video"):
        open_stream(str(tmp_path / "a.mp4"), no_wait)


def test_a_file_with_sound_only(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="only sound"):
        open_stream(str(path), no_wait)


def test_an_address_where_nobody_answers() -> None:
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9/a: cannot be opened .*check the address") as caught:
        open_stream("http://me:secret@127.0.0.1:9/a", no_wait)
    assert "secret" not in str(caught.value)


class Studio:
    """A stream on loopback: sends pictures for as long as the test gives some, and cuts the line when told."""

    def __init__(self, data: bytes) -> None:
        studio = self
        self.connections = 0
        self.may_end = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the library's name
                studio.connections += 1
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()  # without a length, as live streams are
                self.wfile.write(data)
                self.wfile.flush()
                if studio.connections > 1:
                    studio.may_end.wait(WAIT_S)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/live"


@pytest.fixture
def broadcast(tmp_path: Path) -> Iterator[Studio]:
    path = write_video(tmp_path / "a.ts", range(0, 250, 5), (96, 128), format="mpegts")
    studio = Studio(path.read_bytes())
    yield studio
    studio.may_end.set()
    studio.server.shutdown()
    studio.server.server_close()


def test_a_stream_that_breaks_off_is_lost(broadcast: Studio) -> None:
    stream = open_stream(broadcast.address, no_wait)
    shapes: list[tuple[int, ...]] = []
    with pytest.raises(LostError, match="has broken off"):
        shapes.extend(pixels().shape for pixels in iter(stream.read, None) if pixels is not None)
    stream.close()
    assert set(shapes) == {(96, 128, 3)}
    assert len(shapes) > 40


def test_a_stream_that_just_ends_is_lost_and_a_recording_is_over(tmp_path: Path) -> None:
    """Some servers end a stream that they cut as if it were complete."""
    path = write_video(tmp_path / "a.mp4", [1, 2])
    for is_endless in (True, False):
        with ExitStack() as opened:
            video = opened.enter_context(open_video(path))
            device = StreamDevice(video, ExitStack(), no_wait, Clock(), is_address=True)
            device._is_endless = is_endless
            assert len(list(device._frames)) == 2
            with pytest.raises(LostError, match="has broken off") if is_endless else nullcontext():
                assert device.read() is None


def test_a_stream_that_is_cut_and_returns(broadcast: Studio) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return False

    source = LiveSource(lambda wait: open_stream(broadcast.address, wait), "live", broadcast.address, wait=wait)
    with source:
        numbers = []
        while broadcast.connections < 2 or source.trouble is not None or not numbers:
            if (frame := source.take(0.01)) is not None:
                numbers.append(frame.index)
        broadcast.may_end.set()
        source.stop()
    assert waits[0] == 0.5
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_file_with_rotation_metadata_is_upright(degrees: int, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    image = np.zeros((48, 96, 3), np.uint8)
    image[:, :48] = 255  # light on the left
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 96, "yuv420p"
        stream.set_display_rotation(-degrees)  # to be turned so far clockwise
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    player = open_stream(str(path), no_wait)
    pixels = player.read()
    assert pixels is not None
    upright = pixels()
    player.close()
    turned = np.rot90(image, -degrees // 90)
    assert upright.shape == turned.shape
    assert np.abs(upright.astype(int) - turned).mean() < 20
