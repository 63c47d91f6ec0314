"""The window: what a view makes of each frame, shown at once; the keys go to the view."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from posecli.errors import UsageError
from posecli.opencv import cv2
from posecli.poses import Poses
from posecli.sinks.base import Sink
from posecli.sources import Frame, Input

if TYPE_CHECKING:
    from typing_extensions import Self

Image = NDArray[np.uint8]  # (H, W, 3) RGB

HEADLESS_REMEDY = "run without a window: --headless --poses - (poses to standard output), or --headless --record FILE"
KEY_WAIT_MS = 2  # in which the window is drawn, too
HELD_WAIT_MS = 30
_SOCKETS = Path("/tmp/.X11-unix")
_X_PORT = 6000
_ASCII = 0x80
_ESCAPE, _X_ESCAPE = 0x1B, 0xFF1B
_CONNECT_S = 2.0


class View(Protocol):
    """What is shown, and what keys do."""

    @property
    def is_held(self) -> bool:
        """Whether the picture is to stay until a key says otherwise."""
        ...

    def picture(self, frame: Frame, poses: Poses) -> Image:
        """What to show of a frame."""
        ...

    def still(self) -> Image | None:
        """The last picture, with what is to be said by now; None before there was any."""
        ...

    def shown(self, frame: Frame) -> None:
        """A frame is on the screen now."""
        ...

    def press(self, key: int) -> None:
        """A key was pressed: its character's code, such as 27 for Esc."""
        ...

    def close(self) -> None:
        """The window was closed by hand."""
        ...


class Screen(Protocol):
    """A window of the system."""

    def open(self, title: str) -> None:
        """Open it. Raises UsageError, with the remedy, where there can be none."""
        ...

    def show(self, image: Image) -> None:
        """Show a picture; the first decides how large the window is."""
        ...

    def key(self, wait_ms: int) -> int | None:
        """The key that was pressed, waiting so long; None where none was."""
        ...

    def is_closed(self) -> bool:
        """Whether the user has closed it."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Window(Sink):
    """Shows what `view` makes of each frame, and gives it the keys."""

    def __init__(self, title: str, view: View, screen: Screen | None = None) -> None:
        self._title = title
        self._view = view
        self._screen = OpenCvScreen() if screen is None else screen

    def __enter__(self) -> Self:
        self._screen.open(self._title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._screen.close()

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Nothing is written."""

    def write(self, frame: Frame, poses: Poses) -> None:
        """Show a frame; return once the view holds it no longer."""
        self._screen.show(self._view.picture(frame, poses))
        key = self._screen.key(KEY_WAIT_MS)
        self._view.shown(frame)
        self._pass_on(key)
        while self._view.is_held:
            self.refresh(HELD_WAIT_MS)

    def refresh(self, wait_ms: int = KEY_WAIT_MS) -> None:
        """Show the last picture anew, with what is to be said by now, and look after the keys."""
        image = self._view.still()
        if image is not None:
            self._screen.show(image)
        self._pass_on(self._screen.key(wait_ms))

    def _pass_on(self, key: int | None) -> None:
        if key is not None:
            self._view.press(key)
        if self._screen.is_closed():
            self._view.close()


class OpenCvScreen:
    """A window of OpenCV, which takes the size of the first picture and can be resized."""

    def __init__(self) -> None:
        self._title = ""
        self._is_sized = False

    def open(self, title: str) -> None:
        """Open it, unless it is. Raises UsageError where this OpenCV cannot, or there is no display."""
        if self._title:
            return
        check_display()
        os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")  # about fonts, of which it needs none
        flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
        try:
            cv2.namedWindow(title, flags)
        except cv2.error as error:
            raise UsageError(
                "this OpenCV can open no window; "
                "run: pip uninstall opencv-python-headless; pip install --force-reinstall opencv-python; "
                f"or {HEADLESS_REMEDY}"
            ) from error
        self._title = title

    def show(self, image: Image) -> None:
        """Show a picture, (H, W, 3) RGB; the first decides how large the window is."""
        if not self._is_sized:
            cv2.resizeWindow(self._title, image.shape[1], image.shape[0])
            self._is_sized = True
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def key(self, wait_ms: int) -> int | None:
        """The key that was pressed, waiting so long; None where none was."""
        code = cv2.waitKeyEx(wait_ms)
        if code < 0:
            return None
        key = code & 0xFFFF  # less the modifiers, which some systems put above; cv2.waitKey gives an arrow key as Q
        return _ESCAPE if key == _X_ESCAPE else key if key < _ASCII else None

    def is_closed(self) -> bool:
        """Whether the user has closed it."""
        try:
            return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1)
        except cv2.error:  # Qt's way to say that there is no window at all
            return True

    def close(self) -> None:
        """Close it, if it is still there."""
        if self._title and not self.is_closed():
            cv2.destroyWindow(self._title)
            cv2.waitKey(KEY_WAIT_MS)  # it goes only when events are seen to
        self._title = ""


def check_display(environment: Mapping[str, str] = os.environ, sockets: Path = _SOCKETS) -> None:
    """Raise UsageError where no window can be: OpenCV's Qt would end the whole process, without a word of its own."""
    if sys.platform != "linux":
        return
    display = environment.get("DISPLAY", "")
    if not display and not (environment.get("WAYLAND_DISPLAY") and _knows_wayland()):
        raise UsageError(f"there is no display here that OpenCV can use (X11); {HEADLESS_REMEDY}")
    if display and not _answers(display, sockets):
        raise UsageError(f"the display {display} does not answer; check DISPLAY, or {HEADLESS_REMEDY}")


def _knows_wayland(plugins: Path = Path(cv2.__file__).parent / "qt" / "plugins" / "platforms") -> bool:
    """Whether this OpenCV may do without X11: the wheels bring a Qt that cannot; distributions' builds can."""
    return not plugins.is_dir() or any(plugins.glob("*wayland*"))


def _answers(display: str, sockets: Path) -> bool:
    """Whether an X server takes connections at an address such as :0, :0.0 or host:10."""
    match = re.fullmatch(r"(?:unix/?)?(.*):(\d{1,5})(?:\.\d+)?", display)
    if match is None:
        return True  # in a way that only X knows: let it try
    host, number = match[1], match[2]
    if host:
        return _connects(host, _X_PORT + int(number))
    path = str(sockets / f"X{number}")
    return _listens(f"\0{path}") or _listens(path)  # without a file, as Linux can, or with one


def _connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), _CONNECT_S):
            return True
    except OSError:
        return False


def _listens(address: str) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_CONNECT_S)
            connection.connect(address)
            return True
    except OSError:
        return False
