import os
import socket
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from frame_makers import MakeFrame, MakePoses
from live_parts import FakeScreen
from posecli.errors import UsageError
from posecli.opencv import cv2
from posecli.poses import Poses
from posecli.sinks import window as window_module
from posecli.sinks.window import OpenCvScreen, View, Window, check_display
from posecli.sources import Frame

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="X11 sockets of Linux")


class FakeView(View):
    def __init__(self, held: int = 0) -> None:
        self.events: list[str] = []
        self.held = held  # so many more times it is asked

    @property
    def is_held(self) -> bool:
        self.held -= 1
        return self.held >= 0

    def picture(self, frame: Frame, poses: Poses) -> NDArray[np.uint8]:
        self.events.append(f"picture {frame.name} {len(poses)}")
        return frame.image

    def still(self) -> NDArray[np.uint8] | None:
        self.events.append("still")
        return np.ones((2, 2, 3), np.uint8)

    def shown(self, frame: Frame) -> None:
        self.events.append(f"shown {frame.name}")

    def press(self, key: int) -> None:
        self.events.append(f"key {chr(key)}")

    def close(self) -> None:
        self.events.append("close")


def test_a_frame_is_shown_before_its_key_counts(make_frame: MakeFrame, make_poses: MakePoses) -> None:
    view, screen = FakeView(), FakeScreen(["a", None])
    with Window("title", view, screen) as window:
        window.plan([])
        window.write(make_frame("1"), make_poses(2))
        window.write(make_frame("2"), make_poses(1))
    assert view.events == ["picture 1 2", "shown 1", "key a", "picture 2 1", "shown 2"]
    assert screen.events == ["open title", "close"]
    assert len(screen.images) == 2


def test_a_held_picture_stays_and_is_shown_anew(make_frame: MakeFrame, make_poses: MakePoses) -> None:
    view, screen = FakeView(held=2), FakeScreen([None, "x", "y"])
    with Window("title", view, screen) as window:
        window.write(make_frame("1"), make_poses())
    assert view.events == ["picture 1 1", "shown 1", "still", "key x", "still", "key y"]


def test_a_window_closed_by_hand_closes_the_view(make_frame: MakeFrame, make_poses: MakePoses) -> None:
    view, screen = FakeView(), FakeScreen()
    with Window("title", view, screen) as window:
        screen.was_closed_by_hand = True
        window.write(make_frame("1"), make_poses())
    assert view.events[-1] == "close"


class FakeHighGui:
    """What OpenCV has of windows."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[object, ...]]] = []
        self.code = -1
        self.visible = 1.0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("namedWindow", "resizeWindow", "imshow", "destroyWindow"):
            monkeypatch.setattr(cv2, name, lambda *given, name=name: self.calls.append((name, given)))
        monkeypatch.setattr(cv2, "waitKeyEx", lambda wait_ms: self.code)
        monkeypatch.setattr(cv2, "waitKey", lambda wait_ms: self.code & 0xFF if self.code >= 0 else -1)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *given: self.visible)
        monkeypatch.setattr(window_module, "check_display", lambda: None)


def test_a_window_of_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    gui = FakeHighGui()
    gui.install(monkeypatch)
    screen = OpenCvScreen()
    screen.close()  # was never open
    assert gui.calls == []
    screen.open("title")
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 0] = 255  # red
    screen.show(image)
    screen.show(image)
    assert [name for name, _ in gui.calls] == ["namedWindow", "resizeWindow", "imshow", "imshow"]
    assert gui.calls[1][1] == ("title", 30, 20)
    shown = gui.calls[2][1][1]
    assert isinstance(shown, np.ndarray)
    assert shown[0, 0].tolist() == [0, 0, 255]  # BGR
    assert screen.key(1) is None
    gui.code = 0x10071  # with a modifier
    assert screen.key(1) == ord("q")
    assert not screen.is_closed()
    screen.close()
    assert gui.calls[-1] == ("destroyWindow", ("title",))
    gui.visible = 0.0
    assert screen.is_closed()
    screen.close()
    assert [name for name, _ in gui.calls].count("destroyWindow") == 1


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (-1, None),
        (0x1B, "\x1b"),
        (0xFF1B, "\x1b"),  # Esc, as X calls it
        (0x100020, " "),  # with Num Lock on
        (0xFF51, None),  # the left arrow, whose low byte is Q
        (0xFF52, None),  # up: R
        (0xFF53, None),  # right: S
        (0xFFE1, None),  # shift
        (0xF702, None),  # and of macOS
    ],
)
def test_keys_without_a_character_are_none(code: int, key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    gui = FakeHighGui()
    gui.install(monkeypatch)
    gui.code = code
    assert OpenCvScreen().key(1) == (None if key is None else ord(key))


def test_a_screen_is_opened_and_closed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gui = FakeHighGui()
    gui.install(monkeypatch)
    screen = OpenCvScreen()
    for _ in range(2):
        screen.open("title")
    screen.close()

    def refuse(*given: object) -> None:
        raise cv2.error("NULL guiReceiver (please create a window)")

    monkeypatch.setattr(cv2, "getWindowProperty", refuse)  # as Qt does after the last window
    screen.close()
    assert screen.is_closed()
    assert [name for name, _ in gui.calls] == ["namedWindow", "destroyWindow"]


def test_opencv_without_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(cv2, "namedWindow", refuse)
    monkeypatch.setattr(window_module, "check_display", lambda: None)
    with pytest.raises(UsageError, match=r"opencv-python-headless.*--headless --poses -"):
        OpenCvScreen().open("title")


@linux_only
def test_no_display() -> None:
    with pytest.raises(UsageError, match=r"no display here .*--headless --poses -"):
        check_display({})


@linux_only
@pytest.mark.parametrize("knows", [True, False])
def test_wayland_alone(knows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "_knows_wayland", lambda: knows)
    with nullcontext() if knows else pytest.raises(UsageError, match="X11"):
        check_display({"WAYLAND_DISPLAY": "wayland-0"})


def test_which_opencv_knows_wayland(tmp_path: Path) -> None:
    assert window_module._knows_wayland(tmp_path / "none")
    (tmp_path / "libqxcb.so").touch()
    assert not window_module._knows_wayland(tmp_path)
    (tmp_path / "libqwayland-egl.so").touch()
    assert window_module._knows_wayland(tmp_path)


@linux_only
@pytest.mark.parametrize("display", [":{}", ":{}.0", "unix:{}"])
def test_a_display_answers_or_not(display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = os.getpid() % 90_000 + 5_000  # no real display has it
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    environment = {"DISPLAY": display.format(number)}
    with pytest.raises(UsageError, match=r"does not answer.*--headless"):
        check_display(environment, Path())
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"X{number}")
        server.listen()
        check_display(environment, Path())


@linux_only
def test_a_display_on_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address)
        if len(asked) > 1:
            raise ConnectionRefusedError
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    check_display({"DISPLAY": "far:10.0"})
    assert asked == [("far", 6010)]
    with pytest.raises(UsageError, match="far:10"):
        check_display({"DISPLAY": "far:10.0"})
    check_display({"DISPLAY": "what is this"})  # only X knows


def test_other_systems_have_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "sys", SimpleNamespace(platform="darwin"))
    check_display({})
