"""Cameras, a clock and a screen that do what a test says, step by step: nothing sleeps."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from queue import SimpleQueue
from threading import Condition

import av
import numpy as np
from numpy.typing import NDArray

from posecli.sinks.window import Screen
from posecli.sources.devices import Pixels

WAIT_S = 600  # for what must happen; whoever waits longer has found a bug


class Clock:
    """Time, as the test has it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def picture(value: int, hw: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """A picture whose pixels all have this value; a `Counting` estimator finds so many people in it."""
    return np.full((*hw, 3), value, np.uint8)


class FakeCamera:
    """Gives what it is told to: the value of a picture, a whole picture, None for the end, or an error."""

    def __init__(self, *first: object, fps: float | None = 30.0) -> None:
        self.fps = fps
        self.is_closed = False
        self._commands: SimpleQueue[object] = SimpleQueue()
        self._changed = Condition()
        self._given = self._asked = 0
        for command in first:
            self._tell(command)

    def _tell(self, command: object) -> None:
        self._given += 1
        self._commands.put(command)

    def give(self, *commands: object) -> None:
        """Have it give these, and return when whoever reads it has asked for more."""
        for command in commands:
            self._tell(command)
            self.wait_until_asked()

    def wait_until_asked(self) -> None:
        """Return when all that it was told is taken over, and it is asked for more."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._asked > self._given, WAIT_S)

    def read(self) -> Pixels | None:
        with self._changed:
            self._asked += 1
            self._changed.notify_all()
        command = self._commands.get(timeout=WAIT_S)
        if isinstance(command, BaseException):
            raise command
        if command is None:
            return None
        image = picture(command) if isinstance(command, int) else command
        assert isinstance(image, np.ndarray)
        return lambda: image

    def close(self) -> None:
        self.is_closed = True

    def let_go(self) -> None:
        """Whoever waits for it hears that it is at its end."""
        self._commands.put(None)


class FakeScreen(Screen):
    """Remembers what it was to show, and presses the keys of the test, one each time it is asked; None for none.

    Where a key is a function, it is called, and no key pressed.
    """

    def __init__(self, keys: Iterable[str | Callable[[], None] | None] = ()) -> None:
        self.keys = iter(keys)
        self.images: list[NDArray[np.uint8]] = []
        self.events: list[str] = []
        self.was_closed_by_hand = False

    def open(self, title: str) -> None:
        self.events.append(f"open {title}")

    def show(self, image: NDArray[np.uint8]) -> None:
        self.images.append(image.copy())

    def key(self, wait_ms: int) -> int | None:
        key = next(self.keys, None)
        if callable(key):
            key()
            return None
        return None if key is None else ord(key)

    def is_closed(self) -> bool:
        return self.was_closed_by_hand

    def close(self) -> None:
        self.events.append("close")


def write_video(
    path: Path, values: Iterable[int], hw: tuple[int, int] = (48, 64), fps: int = 10, format: str | None = None
) -> Path:
    """A small video of evenly coloured pictures."""
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.height, stream.width = hw
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        for number, value in enumerate(values):
            frame = av.VideoFrame.from_ndarray(picture(value, hw), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
