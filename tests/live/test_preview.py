"""The window before there is a model: pictures, keys, and how it ends."""

from collections.abc import Iterator
from threading import Event

import numpy as np
import pytest

from live_parts import WAIT_S, Clock, FakeCamera, FakeScreen, picture
from posecli.errors import WeightsError
from posecli.live.preview import preview
from posecli.sources.devices import Device, Wait
from posecli.sources.live import LiveSource

HW = (240, 320)


@pytest.fixture
def camera() -> FakeCamera:
    image = picture(0, HW)
    image[:, 160:] = 200  # the right half is light
    return FakeCamera(image)


@pytest.fixture
def source(camera: FakeCamera) -> Iterator[LiveSource]:
    def open_device(wait: Wait) -> Device:
        return camera

    with LiveSource(open_device, "camera-0", 0, clock=Clock()) as source:
        yield source
        camera.let_go()


class Loading:
    """Something that is loaded once the test says so, and then begun only."""

    def __init__(self) -> None:
        self._may_end = Event()
        self.has_begun = Event()

    def __call__(self) -> str:
        self.has_begun.set()
        assert self._may_end.wait(WAIT_S)
        return "model"

    def end(self) -> None:
        self._may_end.set()


@pytest.fixture
def loading() -> Iterator[Loading]:
    loading = Loading()
    yield loading
    loading.end()


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_each_picture_is_shown_once_and_left_to_be_taken(
    is_mirrored: bool, camera: FakeCamera, source: LiveSource, loading: Loading
) -> None:
    def come() -> None:
        camera.wait_until_asked()
        camera.give(picture(90, HW))

    screen = FakeScreen([None, None, come, None, loading.end])
    assert preview(source, screen, loading, is_mirrored=is_mirrored) == ("model", [])
    assert len(screen.images) == 2
    row = screen.images[0][100]
    assert (row[10].max() > 100, row[-10].max() > 100) == (is_mirrored, not is_mirrored)
    assert np.abs(screen.images[0].astype(int) - screen.images[1])[230].max() > 0
    frame = source.take(0.0)
    assert frame is not None
    assert (frame.index, frame.image.max()) == (1, 90)  # and nothing was written on it


def test_loading_begins_once_there_is_a_picture_to_look_at(source: LiveSource, loading: Loading) -> None:
    def look() -> None:
        assert len(screen.images) == 1
        assert not loading.has_begun.is_set()

    screen = FakeScreen([look, loading.end])
    preview(source, screen, loading, is_mirrored=False)
    assert loading.has_begun.is_set()


def test_keys_are_kept_for_later(source: LiveSource, loading: Loading) -> None:
    loaded, keys = preview(source, FakeScreen(["r", None, "h", loading.end]), loading, is_mirrored=False)
    assert (loaded, keys) == ("model", [ord("r"), ord("h")])
    assert not source.is_over


@pytest.mark.parametrize("keys", ["q", "rq", "  \x1b"])
def test_a_key_that_quits_ends_it(keys: str, source: LiveSource, loading: Loading) -> None:
    assert preview(source, FakeScreen(keys), loading, is_mirrored=False) == (None, [ord(key) for key in keys])
    assert source.is_over
    assert loading.has_begun.wait(WAIT_S) if len(keys) > 1 else not loading.has_begun.is_set()


def test_closing_the_window_ends_it(source: LiveSource, loading: Loading) -> None:
    def close() -> None:
        assert loading.has_begun.wait(WAIT_S)
        screen.was_closed_by_hand = True

    screen = FakeScreen([None, close])
    assert preview(source, screen, loading, is_mirrored=False) == (None, [])
    assert source.is_over


def test_closing_the_window_before_anything_is_loaded_ends_it(source: LiveSource, loading: Loading) -> None:
    screen = FakeScreen()
    screen.was_closed_by_hand = True
    assert preview(source, screen, loading, is_mirrored=False) == (None, [])
    assert source.is_over
    assert not loading.has_begun.is_set()


def test_what_cannot_be_loaded_is_told(source: LiveSource) -> None:
    def refuse() -> None:
        raise WeightsError("no weights")

    with pytest.raises(WeightsError):
        preview(source, FakeScreen(), refuse, is_mirrored=False)
