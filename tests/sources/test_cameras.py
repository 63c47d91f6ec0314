import os
import sys
from pathlib import Path

import pytest

from posecli.opencv import cv2
from posecli.sources.cameras import TRIED, Camera, list_cameras


@pytest.fixture
def classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where a Linux kernel lists its video devices; anything but reading it fails."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(cv2, "VideoCapture", lambda index: pytest.fail("opened a camera"))
    folder = tmp_path / "video4linux"
    folder.mkdir()
    return folder


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    folder = tmp_path / "dev"
    folder.mkdir()
    return folder


def plug(classes: Path, devices: Path, node: str, name: str | None, index: str | None = "0") -> None:
    (classes / node).mkdir()
    (devices / node).touch()
    for attribute, value in (("name", name), ("index", index)):
        if value is not None:
            (classes / node / attribute).write_text(f"{value}\n", encoding="utf-8")


def test_linux_lists_capture_nodes_in_order_of_their_indices(classes: Path, devices: Path) -> None:
    plug(classes, devices, "video10", "HDMI grabber")
    plug(classes, devices, "video2", "Integrated Camera: Kamera für Fotos")
    plug(classes, devices, "video3", "Integrated Camera: Kamera für Fotos", index="1")  # its metadata
    plug(classes, devices, "vbi0", "TV card")
    plug(classes, devices, "video-x", "no number")
    assert list_cameras(classes, devices) == (
        Camera(2, "Integrated Camera: Kamera für Fotos"),
        Camera(10, "HDMI grabber"),
    )


def test_a_camera_may_lack_what_newer_kernels_tell(classes: Path, devices: Path) -> None:
    plug(classes, devices, "video0", None, index=None)
    assert list_cameras(classes, devices) == (Camera(0, None),)


def test_names_in_no_known_encoding(classes: Path, devices: Path) -> None:
    plug(classes, devices, "video0", "")
    (classes / "video0" / "name").write_bytes(b"Cam\xff\n")
    assert list_cameras(classes, devices) == (Camera(0, "Cam\ufffd"),)


def test_a_camera_that_this_user_may_not_open(classes: Path, devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug(classes, devices, "video0", "Locked")
    plug(classes, devices, "video1", "Not in this container")
    (devices / "video1").unlink()
    rights = {devices / "video0": os.R_OK}
    monkeypatch.setattr(os, "access", lambda path, mode: rights.get(path, 0) & mode == mode)
    assert [camera.accessible for camera in list_cameras(classes, devices)] == [False, False]
    rights[devices / "video0"] |= os.W_OK
    assert [camera.accessible for camera in list_cameras(classes, devices)] == [True, False]


def test_none_is_ordinary(classes: Path, devices: Path) -> None:
    assert list_cameras(classes, devices) == ()
    classes.rmdir()
    assert list_cameras(classes, devices) == ()


def test_elsewhere_the_first_indices_are_tried_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, released = [], []

    class Capture:
        def __init__(self, index: int) -> None:
            self.index = index
            tried.append(index)

        def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
            return self.index in (0, 2)

        def release(self) -> None:
            released.append(self.index)

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    assert list_cameras() == (Camera(0, None), Camera(2, None))
    assert tried == released == list(range(TRIED))
