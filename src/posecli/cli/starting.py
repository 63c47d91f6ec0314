"""No garbage collection while a command starts.

PyTorch and Numba bring half a million objects, all of which stay. Python would look through them for garbage time and
again: a tenth of the time to the first photo, and as much once more as the process ends.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def starting() -> Iterator[None]:
    """Collect no garbage inside until `started` is called; what was before comes back at the end."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if collected:
            gc.enable()


def started() -> None:
    """Collect garbage from now on, but leave alone what is there by now: it is needed until the end."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
