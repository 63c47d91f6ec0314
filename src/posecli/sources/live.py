"""A camera, or anything that stands for one: read on a thread of its own, of which always the newest picture is taken.

Nothing queues up: a picture that nobody took before the next came is gone. So however slow the rest of the program is,
what it takes was in front of the camera one frame ago.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Condition, Event, Thread
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING

from posecli.errors import InputError
from posecli.sources.devices import Clock, Device, LostError, Opener, Pixels, Wait
from posecli.sources.frames import Clip, Frame

if TYPE_CHECKING:
    from typing_extensions import Self

TIME_BASE = Fraction(1, 90_000)  # s, as broadcasts have it
BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # between attempts to find a lost camera; the last from then on
LEAVE_S = 2.0  # for the thread to notice that it is over; a driver may hold it for longer


@dataclass(frozen=True, slots=True)
class Grab:
    """A picture as the device gave it."""

    pixels: Pixels
    number: int  # of the pictures that the device gave, from 0
    time_s: float  # when it came, by the clock of its source


class NewestFrame:
    """A box with room for one picture; a newer one takes the place of one that is still there."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._grab: Grab | None = None
        self._is_closed = False
        self._error: BaseException | None = None

    def put(self, grab: Grab) -> None:
        """Put a picture in, in place of what is there."""
        with self._changed:
            self._grab = grab
            self._changed.notify()

    def take(self, timeout_s: float, patience: Callable[[Grab], float] = lambda _: 0.0) -> Grab | None:
        """Take out what is there, or wait for it so long; None where nothing came, or nothing will.

        `patience` says for how many seconds it is worth to wait for a newer one than what is there. Raises the error
        that the box was closed with, once it is empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._grab is not None or self._is_closed, timeout_s)
            first = self._grab
            if first is not None and (seconds := patience(first)) > 0:
                self._changed.wait_for(lambda: self._grab is not first or self._is_closed, seconds)
            grab, self._grab = self._grab, None
            if grab is None and self._error is not None:
                raise self._error
            return grab

    def look(self) -> Grab | None:
        """What is there, which stays."""
        with self._changed:
            return self._grab

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more will come, for this reason."""
        with self._changed:
            self._is_closed, self._error = True, error
            self._changed.notify()

    @property
    def is_over(self) -> bool:
        """Whether nothing is there, and nothing will come."""
        with self._changed:
            return self._is_closed and self._grab is None


class LiveSource:
    """The newest picture of a device, which is looked for again whenever it is lost. A context manager.

    Entering it opens the device and reads its first picture, and raises InputError where there is none; time begins
    then. Times are seconds by `clock`; `wait` is what a pause is made with, and ends early once it is over.
    """

    def __init__(
        self,
        open_device: Opener,
        name: str,
        location: Path | str | int,
        *,
        clock: Clock = perf_counter,
        wait: Wait | None = None,
    ) -> None:
        self._open = open_device
        self._name = name
        self._location = location
        self._clock = clock
        self._is_over = Event()
        self._wait = self._is_over.wait if wait is None else wait
        self._newest = NewestFrame()
        self._thread: Thread | None = None
        self._count = 0  # pictures that the device gave
        self._attempts = 0  # to find a lost device, since the last picture
        self._start_s = 0.0
        self.trouble: str | None = None  # why no picture comes at the moment, and what is done about it
        self.clip = Clip(name, 0, location, TIME_BASE, None, None, is_live=True)

    def __enter__(self) -> Self:
        device = self._open(self._wait)
        try:
            pixels = device.read()
        except LostError as error:
            device.close()
            raise InputError(f"{error}, not even one; is another program using it?") from error
        except BaseException:
            device.close()
            raise
        if pixels is None:
            device.close()
            raise InputError(f"{self._name}: holds no picture that can be shown; give another --source")
        self.clip = Clip(self._name, 0, self._location, TIME_BASE, device.fps, None, is_live=True)
        self._start_s = self._clock()
        self._put(pixels)
        # A daemon, as a driver may hold it for as long as it likes.
        self._thread = Thread(target=self._capture, args=(device,), name="posecli-capture", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join(LEAVE_S)

    @property
    def is_over(self) -> bool:
        """Whether no picture will come any more; `take` raises the error that ended the capture, if one did."""
        return self._is_over.is_set() or self._newest.is_over

    @property
    def now_s(self) -> float:
        """The time, as frames have it."""
        return self._clock() - self._start_s

    def take(self, timeout_s: float, fresh_s: float = math.inf) -> Frame | None:
        """The newest picture that was not taken before; None where none comes in time.

        One that came longer than `fresh_s` ago is left for a newer one, if that comes within the same time. Raises what
        ended the capture, such as an InputError.
        """
        if self._is_over.is_set():
            return None
        grab = self._newest.take(timeout_s, lambda grab: fresh_s if self.now_s - grab.time_s > fresh_s else 0.0)
        if grab is None or self._is_over.is_set():
            return None
        return Frame(grab.pixels(), grab.number, grab.time_s, self._name, self.clip)

    def look(self, after: int) -> Frame | None:
        """The newest picture, which stays to be taken; None where there is none beyond number `after`."""
        grab = self._newest.look()
        if grab is None or grab.number <= after:
            return None
        return Frame(grab.pixels(), grab.number, grab.time_s, self._name, self.clip)

    def stop(self) -> None:
        """No more pictures are wanted."""
        self._is_over.set()
        self._newest.close()

    def _capture(self, device: Device | None) -> None:
        """Read until it is over; on the thread."""
        try:
            while device is not None:
                lost = self._read_on(device)
                device = None if lost is None else self._reconnected(lost)
            self._newest.close()
        except BaseException as error:  # it is raised where pictures are taken
            self._newest.close(error)

    def _read_on(self, device: Device) -> LostError | None:
        """Read a device until it is lost, and give the reason; None where it is over."""
        try:
            while not self._is_over.is_set():
                pixels = device.read()
                if pixels is None:
                    return None
                self.trouble, self._attempts = None, 0
                self._put(pixels)
        except LostError as error:
            return error
        finally:
            device.close()
        return None

    def _put(self, pixels: Pixels) -> None:
        ticks = int((self._clock() - self._start_s) / TIME_BASE)  # not rounded: no frame is of the future
        self._newest.put(Grab(pixels, self._count, float(ticks * TIME_BASE)))
        self._count += 1

    def _reconnected(self, lost: LostError) -> Device | None:
        """Open the device again, however long that takes; None where it is over meanwhile."""
        while True:
            delay_s = BACK_OFF_S[min(self._attempts, len(BACK_OFF_S) - 1)]
            self.trouble = f"{lost}; trying again every {delay_s:g} s"
            if self._wait(delay_s):
                return None
            self._attempts += 1
            try:
                return self._open(self._wait)
            except InputError:  # not back yet
                continue
