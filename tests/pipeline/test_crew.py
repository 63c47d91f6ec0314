import threading
from concurrent.futures import Future, InvalidStateError
from queue import SimpleQueue

import pytest

from pipeline_parts import wait_for
from posecli.pipeline.crew import Crew


def test_a_loop_that_breaks_is_heard_of_by_whoever_waits() -> None:
    crew = Crew()

    def broken() -> None:
        raise ZeroDivisionError

    crew.start(broken)
    queue: SimpleQueue[int] = SimpleQueue()
    with pytest.raises(ZeroDivisionError):
        crew.take(queue)
    with pytest.raises(ZeroDivisionError):
        crew.wait_for(Future())
    crew.dismiss()


def test_what_waits_when_a_crew_is_dismissed_is_cancelled_and_not_begun() -> None:
    crew, begun, release = Crew(), threading.Event(), threading.Event()
    crew.hire(1)
    first, second, third = Future[int](), Future[int](), Future[int]()

    def block() -> int:
        begun.set()
        wait_for(release)
        return 1

    def never() -> int:
        raise AssertionError

    crew.settle(first, block)
    crew.settle(second, never)
    wait_for(begun)
    first.add_done_callback(lambda _: release.set())
    crew.dismiss()
    crew.settle(third, never)
    assert first.cancelled()  # nobody waits for it, though it was done
    assert second.cancelled()
    assert third.cancelled()


def test_an_error_of_the_futures_own_kind_is_handed_on() -> None:
    crew = Crew()
    crew.hire(1)
    future: Future[None] = Future()

    def clash() -> None:
        raise InvalidStateError

    crew.settle(future, clash)
    with pytest.raises(InvalidStateError):
        crew.wait_for(future)
    crew.dismiss()
