"""`Crew`: threads for one run, which end with it whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError, wait
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Any, TypeVar

R = TypeVar("R")

POLL_S = 0.1  # on Windows, Ctrl-C does not end a wait for another thread
PATIENCE_S = 1.0  # for threads to end, once they are dismissed
ENGINE_PATIENCE_S = 30.0  # the same for engines, which always end; see `Crew.start`


class Crew:
    """Workers that do what they are given, first come, first served, and threads with a loop of their own.

    Unlike those of concurrent.futures, its threads never keep the program from ending: one that waits for a server or a
    camera when the crew is dismissed is left behind after `PATIENCE_S`.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._under_way: set[Future[Any]] = set()
        self._is_dismissed = Event()
        self._error: BaseException | None = None  # of a loop that broke
        self._threads: list[tuple[Thread, bool]] = []  # each with whether it is an engine
        self._workers = 0

    @property
    def is_dismissed(self) -> bool:
        """Whether the run is over, and threads are to end as soon as they can."""
        return self._is_dismissed.is_set()

    def start(self, loop: Callable[[], None], *, is_engine: bool = False) -> None:
        """Run a loop on a thread of its own. It must end once the crew is dismissed.

        An engine is waited for, as its native threads could not bear the interpreter to end around them.
        """
        thread = Thread(target=self._watched, args=(loop,), name="posecli", daemon=True)
        thread.start()
        self._threads.append((thread, is_engine))

    def hire(self, workers: int) -> None:
        """Start workers."""
        for _ in range(workers):
            self.start(self._work)
            self._workers += 1

    def settle(self, future: Future[R], call: Callable[[], R]) -> None:
        """Have a worker make a call, and give `future` what comes of it."""
        self._under_way.add(future)
        if self.is_dismissed:
            future.cancel()
        self._tasks.put(partial(self._settle, future, call))

    def wait_for(self, future: Future[R]) -> R:
        """What comes of a future, or the error of a loop that broke meanwhile.

        Raises CancelledError once the crew is dismissed.
        """
        while not future.done():
            self._raise_broken()
            if self.is_dismissed:
                raise CancelledError
            wait([future], POLL_S)
        return future.result()

    def take(self, queue: SimpleQueue[R]) -> R:
        """What comes next in a queue, or the error of a loop that broke meanwhile."""
        while True:
            self._raise_broken()
            with suppress(Empty):
                return queue.get(timeout=POLL_S)

    def dismiss(self) -> None:
        """End every thread: what is being done is finished, what waits is not begun."""
        self._is_dismissed.set()
        for future in tuple(self._under_way):
            future.cancel()  # whoever waits for it need not
        for _ in range(self._workers):
            self._tasks.put(None)
        start = monotonic()
        for thread, is_engine in self._threads:
            patience_s = ENGINE_PATIENCE_S if is_engine else PATIENCE_S
            thread.join(max(start + patience_s - monotonic(), 0))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None and not self.is_dismissed:
            task()
            del task  # or it would hold a frame until the next comes

    def _settle(self, future: Future[R], call: Callable[[], R]) -> None:
        settle(future, call, BaseException)
        self._under_way.discard(future)

    def _watched(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:
            if not self.is_dismissed:
                self._error = error

    def _raise_broken(self) -> None:
        if self._error is not None:
            raise self._error


def settle(future: Future[R], call: Callable[[], R], errors: type[BaseException]) -> None:
    """Give a future what a call returns, or which of `errors` it raises; one that was cancelled stays so."""
    try:
        result = call()
    except errors as error:
        with suppress(InvalidStateError):
            future.set_exception(error)
    else:
        with suppress(InvalidStateError):
            future.set_result(result)
