import random
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.download import Policy
from posecli.download.patience import retry_after_s

NOW = datetime(2024, 2, 29, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("0", 0),
        (" 90 ", 90),
        ("-5", 0),
        ("soon", 0),
        ("²", 0),
        ("", 0),
        ("Thu, 29 Feb 2024 12:01:30 GMT", 90),
        ("Thu, 29 Feb 2024 12:01:30 -0000", 90),
        ("Thu, 29 Feb 2024 13:01:30 +0100", 90),
        ("Thu, 29 Feb 2024 11:00:00 GMT", 0),
        ("Thu, 99 Feb 2024 11:00:00 GMT", 0),
        ("9" * 18, float("9" * 18)),
        ("9" * 5000, 0),
        ("Thu, 29 Feb 2024 12:01:30 +99999999999", 0),
        ("Thu, 29 Feb 2024 12:01:30 +" + "9" * 400, 0),
        ("Thu, 29 Feb 2024 12:01:30 +9999", 0),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
        ("Fri, 31 Dec " + "9" * 30 + " 00:00:00 GMT", 0),
        ("Fri, 31 Dec " + "9" * 5000 + " 00:00:00 GMT", 0),
    ],
)
def test_retry_after(value: str | None, seconds: float) -> None:
    assert retry_after_s(value, NOW) == seconds


@given(failures=st.integers(0, 100), asked=st.floats(0, 1000), first=st.floats(0, 10), longest=st.floats(0, 100))
def test_a_wait_is_what_was_asked_for_or_random_below_a_bound(
    failures: int, asked: float, first: float, longest: float
) -> None:
    wait = Policy(first_wait_s=first, longest_wait_s=longest).wait_s(failures, asked)
    assert asked <= wait <= max(asked, min(longest, first * 2 ** max(0, failures - 1)))


def test_the_longest_waits_double_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda least, most: most)
    policy = Policy(first_wait_s=0.5, longest_wait_s=3)
    assert [policy.wait_s(failures, 0) for failures in range(6)] == [0.5, 0.5, 1, 2, 3, 3]
