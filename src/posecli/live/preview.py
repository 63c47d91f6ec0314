"""The window at once: what the camera sees, while the model is still being loaded on another thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from posecli.live.keys import Action, action_of
from posecli.live.overlay import Status, overlay
from posecli.opencv import cv2
from posecli.sinks.window import Screen
from posecli.sources.live import LiveSource

T = TypeVar("T")

WAIT_MS = 15  # for a key, between two pictures
OPENING_MS = 60  # for the window to be there with the first; loading may not let this thread run for a second
NOTICE = "getting ready"


def preview(
    source: LiveSource, screen: Screen, load: Callable[[], T], *, is_mirrored: bool
) -> tuple[T | None, list[int]]:
    """Show the newest pictures until `load` is done: what it has made, and the keys that were pressed meanwhile.

    A key that quits, and closing the window, stop the source and end it; then there is None. No picture is taken from
    the source. Raises what `load` raises.
    """
    keys: list[int] = []
    loaded: Future[T] | None = None
    shown, told = -1, None
    while not source.is_over and not (loaded is not None and loaded.done()):
        trouble = source.trouble
        frame = source.look(shown if trouble == told else -1)  # the same anew, if there is something else to say
        if frame is not None:
            shown, told = frame.index, trouble
            canvas = np.asarray(cv2.flip(frame.image, 1) if is_mirrored else frame.image.copy(), np.uint8)
            overlay(canvas, Status(notice=NOTICE, trouble=trouble))
            screen.show(canvas)
        key = screen.key(OPENING_MS if loaded is None else WAIT_MS)
        if key is not None:
            keys.append(key)
        if screen.is_closed() or (key is not None and action_of(key) is Action.QUIT):
            source.stop()
        elif loaded is None:
            loaded = _begin(load)
    return (None if loaded is None or source.is_over else loaded.result()), keys


def _begin(load: Callable[[], T]) -> Future[T]:
    """Call it on a thread, which Python waits for as the program ends, for seconds: PyTorch must not be half loaded."""
    loader = ThreadPoolExecutor(1, "posecli-load")
    loaded = loader.submit(load)
    loader.shutdown(wait=False)
    return loaded
