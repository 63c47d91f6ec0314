import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.live.meter import Meter


def test_nothing_is_known_at_first() -> None:
    meter = Meter()
    assert meter.fps is None
    assert meter.latency_s is None
    meter.add(0.0, 0.04)
    assert meter.fps is None
    assert meter.latency_s == 0.04
    meter.add(0.0, 0.04)  # a clock that stands still
    assert meter.fps is None


@given(st.floats(0.5, 200), st.integers(2, 400))
def test_a_steady_rate_is_told_exactly(fps: float, frames: int) -> None:
    meter = Meter()
    for number in range(frames):
        meter.add(number / fps, 0.03)
    assert meter.fps == pytest.approx(fps)
    assert meter.latency_s == pytest.approx(0.03)


def test_only_the_last_second_counts() -> None:
    meter = Meter()
    for number in range(100):
        meter.add(number / 10, 1.0)
    for number in range(60):
        meter.add(10 + number / 30, 0.02)
    assert meter.fps == pytest.approx(30)
    assert meter.latency_s == pytest.approx(0.02)
    meter.forget()
    assert meter.fps is None
