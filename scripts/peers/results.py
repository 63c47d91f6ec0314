"""What was measured, and the arithmetic on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Trial = Literal["network", "decode", "image", "folder", "command"]

PORT, TFJS = "2018 port", "TF.js"


def posecli(backend: str, precision: str) -> str:
    """What a contestant of ours is called."""
    return f"posecli {backend} {precision}"


OURS = tuple(
    posecli(backend, precision)
    for backend, precision in (
        ("torch", "float32"),
        ("onnx", "float32"),
        ("openvino", "float32"),
        ("openvino", "bfloat16"),
        ("openvino", "int8"),
    )
)


@dataclass(frozen=True, slots=True)
class Series:
    """What one contestant took in one trial, a figure per round, in the order of the rounds."""

    contestant: str
    trial: Trial
    ms: tuple[float, ...]  # per photo


@dataclass(frozen=True, slots=True)
class Spread:
    """Of what varies from round to round: the median, and the 10th and 90th percentile."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far what a contestant's network says about one photo lies from posecli torch float32."""

    contestant: str
    heatmap: float  # largest difference
    offset_px: float  # largest difference


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scenario, measured."""

    key: str
    title: str
    work: str  # what the contestants work on, for the page
    series: tuple[Series, ...]
    deviations: tuple[Deviation, ...]
    left_out: tuple[str, ...]  # a line each

    def find(self, contestant: str, trial: Trial) -> Series | None:
        """What a contestant took in a trial, if it took part."""
        return next((s for s in self.series if (s.contestant, s.trial) == (contestant, trial)), None)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured."""

    cpu: str
    cores: int
    instructions: tuple[str, ...]  # of those that matter here
    system: str
    load_before: float  # load average of the last minute
    load_after: float


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    machine: Machine
    versions: tuple[tuple[str, str], ...]  # package, version
    threads: int
    rounds: int
    folder_rounds: int
    seed: int
    outcomes: tuple[Outcome, ...]
    left_out: tuple[str, ...]  # what is missing in every scenario, a line each

    def find(self, key: str) -> Outcome | None:
        """A scenario's outcome, if it was tried."""
        return next((outcome for outcome in self.outcomes if outcome.key == key), None)


def spread(values: Any) -> Spread:
    """Median and 10-90 % of what each round gave."""
    low, middle, high = np.percentile(values, (10, 50, 90))
    return Spread(float(middle), float(low), float(high))


def times_faster(ours: Series, theirs: Series) -> Spread:
    """How many times faster than theirs ours is: the ratios of the rounds, not the ratio of the medians."""
    return spread(np.divide(theirs.ms, ours.ms))


def per_second(series: Series) -> Spread:
    """Photos a second."""
    return spread(np.divide(1e3, series.ms))
