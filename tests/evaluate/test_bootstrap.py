import numpy as np
import pytest

from posecli.evaluate.bootstrap import Matches


def matches(images: int, rng: np.random.Generator) -> Matches:
    """Three poses on each image, right or wrong at ten thresholds, and three people."""
    poses = 3 * images
    right = rng.random((10, poses)) < 0.4
    return Matches(rng.integers(0, images, poses), right, ~right, np.full(images, 3))


def repeated(found: Matches, weights: list[int]) -> Matches:
    """The same with every pose and person written out as often as its image counts."""
    times = np.array(weights)[found.image]
    expand = np.repeat(np.arange(len(found.image)), times)
    return Matches(found.image[expand], found.right[:, expand], found.wrong[:, expand], found.people * weights)


def test_a_weight_is_that_many_copies(rng: np.random.Generator) -> None:
    found = matches(6, rng)
    weights = [2, 0, 1, 3, 0, 1]
    copies = repeated(found, weights)
    expected = copies.average_precision(np.ones(6, np.intp))
    assert found.average_precision(np.array(weights)) == pytest.approx(expected, abs=1e-12)
    assert expected != pytest.approx(found.average_precision(np.ones(6, np.intp)), abs=1e-3)


def test_more_images_make_it_narrower(rng: np.random.Generator) -> None:
    (low, high), (few_low, few_high) = matches(400, rng).interval(), matches(25, rng).interval()
    assert 0 < few_low < few_high < 1
    assert high - low < 0.5 * (few_high - few_low)


def test_it_is_the_same_every_time(rng: np.random.Generator) -> None:
    found = matches(10, rng)
    assert found.interval() == found.interval()


def test_it_encloses_the_ap(rng: np.random.Generator) -> None:
    found = matches(50, rng)
    low, high = found.interval()
    assert low < found.average_precision(np.ones(50, np.intp)) < high


def test_draws_without_people_are_left_out() -> None:
    """One image has all the people, all found: every draw that has it has AP 1."""
    right = np.ones((10, 1), np.bool_)
    found = Matches(np.array([0]), right, ~right, np.array([1, 0, 0]))
    assert found.interval() == pytest.approx((1.0, 1.0))
    assert Matches(np.array([0]), ~right, right, np.array([0, 0, 0])).interval() is None
