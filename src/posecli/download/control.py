"""What the worker threads share with the caller: a way to be stopped, and a way to say how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock
from typing import TypeVar

from posecli.download.outcomes import StoppedError

T = TypeVar("T")


class Control:
    """One for all threads of a download. The caller hears from one thread at a time.

    After `stop` it hears nothing more, and no file is changed: another process may be at work on them by then.
    """

    def __init__(self, on_bytes: Callable[[int], object], on_retry: Callable[[str], object]) -> None:
        self._on_bytes, self._on_retry = on_bytes, on_retry
        self.unreachable: dict[str, str] = {}  # base address -> why it is not asked any more
        self._stopped = Event()
        self._lock = Lock()

    @property
    def stopped(self) -> bool:
        """Whether the threads are to end."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End all threads: those that wait at once, the others before they write or say anything more."""
        with self._lock:
            self._stopped.set()

    def go_on(self) -> None:
        """Raise StoppedError where that is what is wanted."""
        if self.stopped:
            raise StoppedError

    @contextmanager
    def unless_stopped(self) -> Iterator[None]:
        """For one short step, done before `stop` returns or not at all. Raises StoppedError then."""
        with self._lock:
            self.go_on()
            yield

    def count(self, change: int) -> None:
        """Say that so many more bytes are here, or fewer where the number is negative."""
        self._say(self._on_bytes, change)

    def retry(self, message: str) -> None:
        """Say that something failed and will be tried again."""
        self._say(self._on_retry, message)

    def wait(self, seconds: float) -> None:
        """Wait, unless stopped. Raises StoppedError then."""
        self._stopped.wait(seconds)
        self.go_on()

    def _say(self, heard: Callable[[T], object], what: T) -> None:
        with self.unless_stopped():
            heard(what)
