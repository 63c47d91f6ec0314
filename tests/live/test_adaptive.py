"""The size that holds a rate: against machines of any speed, told step by step."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from posecli.live.adaptive import CAUTION, LEAST_SIZE, MOST_CAUTION, PATIENCE, SETTLING, STEP, Adaptive

TARGET = 20.0  # frames/s
BUDGET_S = 1 / TARGET


def play(adaptive: Adaptive, cost_s: Callable[[int], float], frames: int) -> list[int]:
    """The sizes of so many frames on a machine that takes `cost_s` for each size."""
    sizes = [adaptive.size]
    for _ in range(frames):
        sizes.append(adaptive.add(cost_s(sizes[-1])))
    return sizes


def changes(sizes: list[int]) -> int:
    return sum(a != b for a, b in zip(sizes[1:], sizes[:-1], strict=True))


def machine(fixed_s: float, at_641_s: float) -> Callable[[int], float]:
    return lambda size: fixed_s + at_641_s * (size / 641) ** 2


@given(st.floats(0.0, 0.02), st.floats(0.001, 0.4), st.sampled_from([8, 16, 32]), st.sampled_from([385, 641, 1025]))
def test_it_settles_on_a_size_that_holds_the_rate_and_stays(
    fixed_s: float, at_641_s: float, stride: int, largest: int
) -> None:
    cost_s = machine(fixed_s, at_641_s)
    adaptive = Adaptive(TARGET, largest, stride)
    sizes = play(adaptive, cost_s, 40 * (PATIENCE + SETTLING))
    last = sizes[-1]
    assert all((size - 1) % stride == 0 for size in sizes)
    assert cost_s(last) <= BUDGET_S or last * STEP < LEAST_SIZE + stride
    assert changes(sizes[-20 * CAUTION :]) <= changes(sizes)
    assert changes(play(adaptive, cost_s, 20 * CAUTION)) == 0
    larger = [size for size in sizes if size > last]
    assert not larger or cost_s(min(larger)) > BUDGET_S  # no lower than need be


def test_a_fast_machine_stays_at_the_largest() -> None:
    assert set(play(Adaptive(TARGET, 385, 16), lambda size: 0.01, 500)) == {385}


def test_it_goes_up_again_once_there_is_room_for_long_enough() -> None:
    adaptive = Adaptive(TARGET, 385, 16)
    low = play(adaptive, lambda size: 0.2, 1000)[-1]
    assert low < 200
    sizes = play(adaptive, machine(0.0, 0.02), 1000)
    assert sizes[: CAUTION // 2] == [low] * (CAUTION // 2)
    assert sizes == sorted(sizes)
    assert sizes[-1] == 385


def test_a_size_that_only_just_does_not_fit_is_not_tried_again() -> None:
    at_385_s = 1.02 * BUDGET_S
    cost_s = machine(0.0, at_385_s * (641 / 385) ** 2)
    adaptive = Adaptive(TARGET, 385, 16)
    low = play(adaptive, cost_s, 100)[-1]
    assert low < 385
    assert set(play(adaptive, cost_s, 2000)) == {low}
    assert set(play(adaptive, lambda size: 0.95 * cost_s(size), 2000)) == {low}  # it would fit, without room
    assert play(adaptive, lambda size: 0.8 * cost_s(size), 2000)[-1] == 385


def test_a_size_that_is_slower_than_its_area_says_is_tried_ever_more_seldom() -> None:
    def cost_s(size: int) -> float:  # beyond some size a cache is too small
        return (0.03 if size < 385 else 0.07) * (size / 385) ** 2

    sizes = play(Adaptive(TARGET, 385, 16), cost_s, 20_000)
    assert changes(sizes) < 40
    assert changes(sizes[-4000:]) <= 6
    assert set(sizes) == {385, 337}


def test_it_goes_up_again_however_often_that_has_failed() -> None:
    adaptive = Adaptive(TARGET, 385, 16)
    for _ in range(40):
        play(adaptive, lambda size: 0.03 if size < 385 else 0.07, 2 * CAUTION)
    assert play(adaptive, lambda size: 0.02, (MOST_CAUTION + 1) * CAUTION)[-1] == 385


def test_a_single_slow_frame_changes_nothing() -> None:
    adaptive = Adaptive(TARGET, 385, 16)
    for number in range(300):
        assert adaptive.add(1.0 if number % 20 == 0 else 0.03) == 385


def test_a_few_quick_frames_do_not_hide_that_most_are_slow() -> None:
    adaptive = Adaptive(TARGET, 385, 16)
    for number in range(2 * PATIENCE):
        adaptive.add(0.001 if number % 4 == 0 else 0.08)
    assert adaptive.size < 385


def test_a_new_largest_size_begins_anew() -> None:
    adaptive = Adaptive(TARGET, 385, 16)
    play(adaptive, lambda size: 0.2, 100)
    adaptive.restart(641)
    assert adaptive.size == 641
    assert play(adaptive, lambda size: 0.2, PATIENCE + SETTLING - 1)[-1] == 641
    assert adaptive.add(0.2) < 641


def test_a_size_below_the_least_is_left_alone() -> None:
    assert set(play(Adaptive(TARGET, 129, 16), lambda size: 1.0, 100)) == {129}


def test_a_slow_moment_long_after_a_step_up_is_not_held_against_it() -> None:
    adaptive = Adaptive(TARGET, 385, 16)
    slow, quick = (lambda _: 2 * BUDGET_S), (lambda _: BUDGET_S / 10)
    play(adaptive, slow, PATIENCE + SETTLING)
    below = adaptive.size
    play(adaptive, quick, CAUTION + SETTLING)
    assert adaptive.size > below
    play(adaptive, quick, 10 * CAUTION)
    play(adaptive, slow, PATIENCE)
    assert adaptive.size == below
    play(adaptive, quick, CAUTION + SETTLING)
    assert adaptive.size > below
