"""The newest picture of a camera, whatever it and its taker do: told step by step, with a clock of the test's own."""

from collections.abc import Callable
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live_parts import WAIT_S, Clock, FakeCamera
from posecli.errors import InputError
from posecli.sources.devices import Device, LostError, Wait
from posecli.sources.live import BACK_OFF_S, LiveSource

FRAME_S = 1 / 30
Opened = Device | InputError


def source_of(*opened: Opened, clock: Clock | None = None, wait: Wait | None = None) -> LiveSource:
    """A source whose device is the first of these, after that is lost the second, and so on."""
    rest = iter(opened)

    def open_device(wait: Wait) -> Device:
        device = next(rest)
        if isinstance(device, InputError):
            raise device
        return device

    return LiveSource(open_device, "camera-0", 0, clock=clock or Clock(), wait=wait)


def give(camera: FakeCamera, clock: Clock, *values: int) -> None:
    for value in values:
        clock.now += FRAME_S
        camera.give(value)


def value_of(source: LiveSource, timeout_s: float = WAIT_S) -> int | None:
    frame = source.take(timeout_s)
    return None if frame is None else int(frame.image[0, 0, 0])


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_a_slow_taker_gets_the_newest_picture_and_none_is_older_than_a_frame(pauses: list[int]) -> None:
    clock, camera = Clock(), FakeCamera(0)
    with source_of(camera, clock=clock) as source:
        camera.wait_until_asked()
        assert value_of(source) == 0
        count = 0
        for missed in pauses:  # so many pictures come while the taker is busy
            give(camera, clock, *range(count + 1, count + missed + 1))
            count += missed
            frame = source.take(WAIT_S)
            assert frame is not None
            assert int(frame.image[0, 0, 0]) == count % 256
            assert frame.index == count
            assert frame.time_s is not None
            assert 0 <= source.now_s - frame.time_s < FRAME_S / 10
            assert source.take(0.0) is None  # those that were missed are gone
        camera.let_go()


def test_a_picture_that_is_not_fresh_is_left_for_a_newer_one(clock: Clock) -> None:
    camera = FakeCamera(1)
    with source_of(camera, clock=clock) as source:
        camera.wait_until_asked()
        clock.now += WAIT_S + 1
        later = Thread(target=camera.give, args=(2,))
        later.start()
        frame = source.take(WAIT_S, fresh_s=WAIT_S)  # whichever of the two comes first
        later.join()
        assert frame is not None
        assert frame.index == 1
        camera.let_go()


def test_a_picture_that_is_not_fresh_is_better_than_none(clock: Clock) -> None:
    camera = FakeCamera(1)
    with source_of(camera, clock=clock) as source:
        camera.wait_until_asked()
        clock.now += 5
        frame = source.take(WAIT_S, fresh_s=0.001)
        assert frame is not None
        assert source.now_s - (frame.time_s or 0.0) == 5
        camera.let_go()


def test_a_fresh_picture_is_taken_at_once(clock: Clock) -> None:
    camera = FakeCamera(1)
    with source_of(camera, clock=clock) as source:
        camera.wait_until_asked()
        assert source.take(WAIT_S, fresh_s=10 * WAIT_S) is not None
        camera.let_go()


def test_frames_carry_one_clip_and_times_from_the_first(clock: Clock) -> None:
    camera = FakeCamera(7)
    with source_of(camera, clock=clock) as source:
        first = source.take(WAIT_S)
        camera.wait_until_asked()
        clock.now += 2.5
        camera.give(8)
        second = source.take(WAIT_S)
        camera.let_go()
    assert first is not None
    assert second is not None
    assert (first.time_s, second.time_s) == (0.0, 2.5)
    assert first.clip is second.clip is source.clip
    assert (source.clip.name, source.clip.location, source.clip.fps, source.clip.is_live) == ("camera-0", 0, 30.0, True)
    assert (first.name, first.index, second.index) == ("camera-0", 0, 1)


def test_pixels_are_made_only_of_what_is_taken() -> None:
    made: list[int] = []

    class Lazy(FakeCamera):
        def read(self) -> Callable[..., object] | None:  # type: ignore[override]
            pixels = super().read()
            return None if pixels is None else lambda: (made.append(int(pixels()[0, 0, 0])), pixels())[1]

    camera = Lazy(0)
    with source_of(camera) as source:
        camera.wait_until_asked()
        camera.give(1, 2, 3)
        assert value_of(source) == 3
        camera.let_go()
    assert made == [3]


def test_a_lost_camera_is_looked_for_ever_more_seldom_and_its_trouble_told() -> None:
    waits: list[float] = []
    troubles: list[str | None] = []
    first, second = FakeCamera(1), FakeCamera(2)

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        troubles.append(source.trouble)
        return False

    absent = [InputError("not there")] * 6
    source = source_of(first, *absent, second, wait=wait)
    with source:
        assert value_of(source) == 1
        first._tell(LostError("camera 0 gives no more pictures"))
        second.wait_until_asked()
        assert value_of(source) == 2
        assert source.trouble is None
        assert waits == [*BACK_OFF_S, BACK_OFF_S[-1], BACK_OFF_S[-1]]
        assert troubles[0] == "camera 0 gives no more pictures; trying again every 0.5 s"
        assert troubles[4] == "camera 0 gives no more pictures; trying again every 8 s"
        assert first.is_closed
        second.let_go()
    assert second.is_closed


def test_one_that_answers_but_gives_nothing_is_not_hurried() -> None:
    waits: list[float] = []
    lost = LostError("gone")
    last = FakeCamera(1)

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return False

    with source_of(FakeCamera(0, lost), FakeCamera(lost), FakeCamera(lost), FakeCamera(5, lost), last, wait=wait):
        last.wait_until_asked()
        last.let_go()
    assert waits == [0.5, 1.0, 2.0, 0.5]


def test_numbers_and_times_go_on_after_a_loss(clock: Clock) -> None:
    first, second = FakeCamera(1), FakeCamera()

    def wait(seconds: float) -> bool:
        clock.now += seconds
        return False

    with source_of(first, second, clock=clock, wait=wait) as source:
        before = source.take(WAIT_S)
        first._tell(LostError("gone"))
        second.wait_until_asked()
        second.give(3)
        after = source.take(WAIT_S)
        second.let_go()
    assert before is not None
    assert after is not None
    assert (after.index, after.time_s) == (1, 0.5)
    assert after.clip is before.clip


def test_a_camera_that_is_not_there_at_the_start() -> None:
    with pytest.raises(InputError, match="not there"), source_of(InputError("not there")):
        pass


@pytest.mark.parametrize(
    ("first", "message"),
    [(LostError("camera 0 gives no more pictures"), "not even one"), (None, "no picture"), (InputError("bad"), "bad")],
)
def test_one_that_opens_but_gives_not_a_single_picture(first: object, message: str) -> None:
    camera = FakeCamera(first)
    with pytest.raises(InputError, match=message) as caught, source_of(camera):
        pass
    assert not isinstance(caught.value, LostError)
    assert camera.is_closed


def test_the_last_picture_of_a_file_is_taken_before_it_is_over() -> None:
    camera = FakeCamera(1, 2, None)
    with source_of(camera) as source:
        assert source._thread is not None
        source._thread.join(WAIT_S)
        assert not source.is_over
        assert value_of(source) == 2
        assert source.is_over
        assert value_of(source) is None


@pytest.mark.parametrize("error", [InputError("damaged"), ZeroDivisionError("a bug")])
def test_what_ends_the_capture_is_raised_where_pictures_are_taken(error: Exception) -> None:
    camera = FakeCamera(1, 2, error)
    with source_of(camera) as source:
        assert source._thread is not None
        source._thread.join(WAIT_S)
        assert value_of(source) == 2
        with pytest.raises(type(error)):
            source.take(WAIT_S)
    assert camera.is_closed


def test_stopping_ends_a_wait_for_a_lost_camera() -> None:
    camera = FakeCamera(1, LostError("gone"))

    with source_of(camera, *[InputError("not there")] * 3) as source:
        assert value_of(source) == 1
        thread = source._thread
        source.stop()
        assert source.is_over
        assert source.take(WAIT_S) is None
    assert thread is not None
    assert not thread.is_alive()
    assert camera.is_closed


def test_nothing_is_taken_once_it_is_stopped() -> None:
    camera = FakeCamera(1)
    with source_of(camera) as source:
        source.stop()
        assert source.take(WAIT_S) is None
        camera.let_go()


@pytest.fixture
def clock() -> Clock:
    return Clock()
