from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.bench.statistics import PeopleRow, Summary, by_people, summarise


def test_percentiles_of_known_numbers() -> None:
    """0 to 100 ms in any order: the percentile p is p ms."""
    seconds = np.random.default_rng(0).permutation(101) / 1000
    summary = summarise(seconds.tolist())
    assert (summary.p50_ms, summary.p95_ms, summary.p99_ms, summary.mean_ms) == pytest.approx((50, 95, 99, 50))


def test_one_image_is_all_its_percentiles() -> None:
    assert summarise([0.25]) == Summary(250.0, 250.0, 250.0, 250.0)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_percentiles_rise_and_stay_within(seconds: list[float]) -> None:
    summary = summarise(seconds)
    ordered = [1000 * min(seconds), summary.p50_ms, summary.p95_ms, summary.p99_ms, 1000 * max(seconds)]
    assert all(low <= high + 1e-9 for low, high in pairwise(ordered))


def test_images_are_grouped_by_people() -> None:
    rows = by_people([2, 0, 2, 2, 0], [0.003, 0.001, 0.004, 0.009, 0.002], [0.03, 0.01, 0.04, 0.09, 0.02])
    assert [(row.people, row.images) for row in rows] == [(0, 2), (2, 3)]
    assert rows[1] == PeopleRow(2, 3, pytest.approx(4.0), pytest.approx(40.0))
    assert rows[0].decode_p50_ms == pytest.approx(1.5)
