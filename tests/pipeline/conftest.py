"""What hangs fails, and no thread outlives its test."""

import faulthandler
import threading
from collections.abc import Iterator

import pytest

HANG_S = 120


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    faulthandler.dump_traceback_later(HANG_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert [thread for thread in threading.enumerate() if thread not in before] == []
