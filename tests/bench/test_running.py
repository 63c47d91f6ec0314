import gc

import pytest

from benchmarks import FakeClock, FakeEstimator, picture, pictures
from posecli.bench.pictures import Picture, Pictures
from posecli.bench.running import WARM_UP_IMAGES, Collections, Samples, estimate, measure, warm_up
from posecli.options import EstimatorOptions


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_each_image_has_its_stages_and_its_people(clock: FakeClock) -> None:
    samples, estimator = Samples(), FakeEstimator(clock)
    measure(pictures(2, 0, 1).batches(5, 1), estimator, samples, clock=clock)
    assert samples.people == [2, 0, 1, 2, 0]
    assert samples.stages["network"] == pytest.approx([0.001, 0.002, 0.003, 0.004, 0.005])
    assert samples.stages["decode"] == pytest.approx([0.002, 0.004, 0.006, 0.008, 0.010])
    assert samples.total == pytest.approx([0.0041, 0.0072, 0.0103, 0.0134, 0.0165])
    assert samples.wall_s == pytest.approx(sum(samples.total))
    assert samples.images == 5


def test_what_a_batch_takes_between_its_stages_is_shared(clock: FakeClock) -> None:
    samples, estimator = Samples(), FakeEstimator(clock)
    measure(pictures(1, 2, 3).batches(3, 2), estimator, samples, clock=clock)
    assert estimator.batches == [2, 1]
    assert samples.total == pytest.approx([0.0031 + 0.0005, 0.0062 + 0.0005, 0.0093 + 0.001])
    assert samples.wall_s == pytest.approx(0.0206)


def test_inputs_come_over_and_over_in_their_order(clock: FakeClock) -> None:
    estimator, done = FakeEstimator(clock), []
    measure(pictures(5, 6, 7).batches(8, 3), estimator, Samples(), on_images=done.append, clock=clock)
    assert [int(image[0, 0, 0]) for image in estimator.images] == [5, 6, 7, 5, 6, 7, 5, 6]
    assert done == [3, 3, 2]


def test_progress_is_not_on_the_clock(clock: FakeClock) -> None:
    samples = Samples()

    def slowly(_: int) -> None:
        clock.now += 10

    measure(pictures(0).batches(3, 1), FakeEstimator(clock), samples, on_images=slowly, clock=clock)
    assert samples.wall_s == pytest.approx(0.0216)


def test_the_warm_up_is_in_no_figure(clock: FakeClock) -> None:
    """The first image of all compiles for a minute."""

    class Compiling(FakeEstimator):
        def batch(self, images, times=None):  # type: ignore[no-untyped-def]
            if not self.images:
                self.clock.now += 60
            return super().batch(images, times)

    estimator, samples, inputs = Compiling(clock), Samples(), pictures(1)
    warmed = warm_up(inputs, 20, 1, estimator.options, lambda b: estimate(b, estimator, Samples(), clock), clock)
    assert warmed.images == WARM_UP_IMAGES == len(estimator.images)
    assert warmed.seconds > 60
    measure(inputs.batches(20, 1), estimator, samples, clock=clock)
    assert samples.images == 20
    assert max(samples.total) < 1


def warmed_by(inputs: list[Picture], num_images: int, batch_size: int, **options: object) -> list[list[Picture]]:
    ran: list[list[Picture]] = []
    every = Pictures(tuple(inputs), (), len(inputs))
    warm_up(every, num_images, batch_size, EstimatorOptions(**options), lambda batch: ran.append(list(batch)))
    return ran


def test_every_shape_is_warmed_up_once() -> None:
    wide, high = picture(0, (40, 60)), picture(1, (60, 40))
    inputs = [wide] * 30 + [high] * 30
    assert warmed_by(inputs, 60, 1) == [[wide]] * WARM_UP_IMAGES + [[high]]
    assert warmed_by(inputs, 20, 1) == [[wide]] * WARM_UP_IMAGES  # the others are not measured


def test_images_that_run_together_are_a_shape_of_their_own() -> None:
    wide, high = picture(0, (40, 60)), picture(1, (60, 40))
    ran = warmed_by([wide] * 20 + [high, wide, wide, wide] + [wide] * 3, 27, 4)
    assert ran == [[wide] * 4] * 3 + [[high, wide, wide, wide]]  # the last 3 are of a shape that is known by then


def test_a_single_image_warms_up_too() -> None:
    assert [len(batch) for batch in warmed_by([picture(0)], 1, 4)] == [4, 4, 2]


def test_the_collector_runs_before_and_is_counted_within() -> None:
    before = len(gc.callbacks)
    with Collections() as collections:
        assert collections.count == 0
        gc.collect()
        gc.collect()
    gc.collect()
    assert collections.count == 2
    assert collections.seconds > 0
    assert len(gc.callbacks) == before
    assert gc.isenabled()
