"""What a sceptic wants of many durations: percentiles over the images, not the mean of a few runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Summary:
    """Milliseconds that one stage took for an image, over all images measured."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float


@dataclass(frozen=True, slots=True)
class PeopleRow:
    """The median times of the images on which this many people were found."""

    people: int
    images: int
    decode_p50_ms: float
    total_p50_ms: float


def summarise(seconds: Sequence[float]) -> Summary:
    """The percentiles of durations, of which there is at least one; between two of them, linearly."""
    p50, p95, p99 = np.percentile(seconds, (50, 95, 99)).tolist()
    return Summary(1000 * p50, 1000 * p95, 1000 * p99, 1000 * float(np.mean(seconds)))


def by_people(people: Sequence[int], decode: Sequence[float], total: Sequence[float]) -> tuple[PeopleRow, ...]:
    """Group images by the people found on them, fewest first; the three sequences hold a value for each image."""
    found, decode_s, total_s = np.asarray(people), np.asarray(decode), np.asarray(total)
    rows = []
    for count in np.unique(found).tolist():
        chosen = found == count
        medians = (1000 * float(np.median(seconds[chosen])) for seconds in (decode_s, total_s))
        rows.append(PeopleRow(count, int(chosen.sum()), *medians))
    return tuple(rows)
