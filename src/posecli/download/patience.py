"""How long to wait for a server, and how often to ask it again."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True, slots=True)
class Policy:
    """The patience with one base address, for one file. Times are in seconds."""

    tries: int = 5  # failures in a row, without a single new byte, that end it
    tries_before_next: int = 2  # the same, where there is another base address to turn to
    most_attempts: int = 100  # requests in all, whatever each of them brought
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0  # without a sign of life
    least_bytes_per_s: float = 1000.0  # on average over each window; a connection that is slower is given up
    rate_window_s: float = 60.0
    first_wait_s: float = 0.5  # the longest wait before the second attempt; doubles with each failure
    longest_wait_s: float = 30.0
    longest_retry_after_s: float = 120.0  # a server that wants more than this is given up

    def wait_s(self, failures: int, asked_s: float) -> float:
        """How long to wait after so many failures in a row, where the server asked for at least `asked_s`.

        Exponential back-off with full jitter: many clients that failed together do not come back together. A request
        that brought something before it broke off is no failure, and waits as after the first.
        """
        longest = min(self.longest_wait_s, self.first_wait_s * 2 ** max(0, failures - 1))
        return max(asked_s, random.uniform(0, longest))


def retry_after_s(value: str | None, now: datetime) -> float:
    """The wait that a Retry-After header asks for: seconds or an HTTP date; 0 where there is none or it is garbled."""
    from email.utils import parsedate_to_datetime

    if value is None:
        return 0.0
    value = value.strip()
    if re.fullmatch("[0-9]{1,18}", value):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        if until.tzinfo is None:  # HTTP dates are in GMT
            until = until.replace(tzinfo=timezone.utc)
        return max(0.0, (until - now).total_seconds())
    except (ValueError, OverflowError, TypeError):  # a year or a zone that is none, or a header that is no text
        return 0.0
