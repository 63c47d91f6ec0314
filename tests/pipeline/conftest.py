"""What hangs fails, and no thread outlives its test."""

import faulthandler
import threading
from collections.abc import Iterator

import pytest
import torch

HANG_S = 120


@pytest.fixture(autouse=True)
def torch_threads() -> Iterator[None]:
    """Two threads for PyTorch, whatever the machine has and other tests have asked for."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    faulthandler.dump_traceback_later(HANG_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
    ours = [thread for thread in threading.enumerate() if thread.name == "posecli"]
    assert [thread for thread in ours if thread not in before] == []
